"""Labels: where the entries of a constant vector go.

To know which entries of a bias reach which coordinates of a later tensor, integers are sent
through the operators that only move entries about: the operators themselves are run on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from isthmus.discovery.program import Op, Ref

MOVING = frozenset({
    "view", "reshape", "_unsafe_view", "transpose", "permute", "t", "unsqueeze", "squeeze",
    "expand", "slice", "select", "split", "split_with_sizes", "chunk", "unbind", "flatten",
    "unflatten", "movedim", "moveaxis", "swapaxes", "narrow", "repeat", "repeat_interleave", "flip",
    "roll", "numpy_T", "mT",
})  # fmt: skip
"""Operators that move entries, and leave each as it is."""

SAME = frozenset({
    "dropout", "feature_dropout", "alpha_dropout", "to", "_to_copy", "type_as", "contiguous",
    "clone", "alias", "detach", "lift_fresh_copy", "identity", "view_as_same",
})  # fmt: skip
"""Operators that do nothing to values (in evaluation)."""

ABSENT = -1


def same(op: Op) -> bool:
    """Whether an operator keeps values: no cast to integers, no noise that evaluation keeps."""
    exact = op.shapes[0].dtype.is_floating_point and not op.arguments.get("train")
    return op.target in SAME and exact


def moved(op: Op, name: str, labels: Tensor) -> dict[str, Tensor] | None:
    """The labels of an operator's results, if it only moves entries of the tensor ``name``."""
    if same(op):
        return {op.outputs[0]: labels}
    if op.target not in MOVING or op.overload is None:
        return None
    arguments = {
        key: labels if isinstance(value, Ref) and value.name == name else value
        for key, value in op.arguments.items()
    }
    if any(isinstance(value, Ref) for value in arguments.values()) or "dtype" in arguments:
        return None  # a view of other bits, for one
    try:
        made = _run(op, arguments)
    except RuntimeError:  # a view that such strides do not allow
        made = _run(op, {k: v.contiguous() if v is labels else v for k, v in arguments.items()})
    listed = list(made) if isinstance(made, (list, tuple)) else [made]
    return dict(zip(op.outputs, listed, strict=True))


def _run(op: Op, arguments: Mapping[str, Any]) -> Any:
    if op.target in ("view", "_unsafe_view"):
        # Labels are held expanded, so their strides are not those of the tensor.
        return arguments["self"].reshape(arguments["size"])
    schema = op.overload._schema
    positional = [arguments[a.name] for a in schema.arguments if not a.kwarg_only]
    named = {a.name: arguments[a.name] for a in schema.arguments if a.kwarg_only}
    return op.overload(*positional, **named)


def along(sizes: tuple[int, ...], dim: int) -> Tensor:
    """Labels that count along one dimension and are equal along the others."""
    shape = [1] * len(sizes)
    shape[dim] = sizes[dim]
    return torch.arange(sizes[dim]).view(shape).expand(sizes)


def varies(labels: Tensor, dim: int) -> bool:
    """Whether labels differ along a dimension."""
    if labels.shape[dim] == 1 or labels.stride(dim) == 0:
        return False
    return not torch.equal(labels, labels.narrow(dim, 0, 1).expand_as(labels))


def only_along(labels: Tensor, dim: int) -> Tensor | None:
    """The labels along one dimension, if they are equal along all others."""
    dim %= labels.dim()
    if any(varies(labels, d) for d in range(labels.dim()) if d != dim):
        return None
    for d in reversed(range(labels.dim())):
        if d != dim:
            labels = labels.select(d, 0)
    return labels


def counting(labels: Tensor) -> int | None:
    """The dimension along which labels count 0, 1, 2, … and are equal along all others."""
    for dim, size in enumerate(labels.shape):
        line = only_along(labels, dim) if size > 1 else None
        if line is not None and torch.equal(line, torch.arange(size)):
            return dim
    return None


def carried(op: Op, name: str, sizes: tuple[int, ...], dim: int) -> dict[str, int] | None:
    """The dimension of each result that is the dimension ``dim`` of ``name``, whole and alone.

    None if the operator does more than move entries; a result that lacks it is left out.
    """
    made = moved(op, name, along(sizes, dim))
    if made is None:
        return None
    found = {result: counting(labels) for result, labels in made.items()}
    return {
        result: d
        for result, d in found.items()
        if d is not None and made[result].shape[d] == sizes[dim]
    }
