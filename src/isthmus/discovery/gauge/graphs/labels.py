"""Labels: where the entries of a constant vector go.

To know which entries of a bias reach which coordinates of a later tensor, integers are sent
through the operators that only move entries about: the operators themselves are run on them.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
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

PADS = frozenset({"pad", "constant_pad_nd"})

ABSENT = -1


def same(op: Op) -> bool:
    """Whether an operator keeps values: no cast to integers, no noise that evaluation keeps."""
    exact = op.shapes[0].dtype.is_floating_point and not op.arguments.get("train")
    return exact and (op.target in SAME or (op.target in PADS and not any(op.arguments["pad"])))


def _known(op: Op) -> bool:
    """Whether an operator may do no more than move entries."""
    constant = op.target in PADS and op.arguments.get("mode", "constant") == "constant"
    return op.target in MOVING or constant or same(op)


def moved(op: Op, name: str, labels: Tensor) -> dict[str, Tensor] | None:
    """The labels of an operator's results, if it only moves entries of the tensor ``name``."""
    if same(op):
        # What is only asked for its type or shape is not in the result.
        there = next(op.refs()) == Ref(name)
        return {op.outputs[0]: labels} if there else {}
    if not _known(op) or op.overload is None:
        return None
    if op.target in PADS:  # what stands around a tensor does not move with it
        widths = [int(width) for width in op.arguments["pad"]]
        return {op.outputs[0]: torch.nn.functional.pad(labels, widths, value=ABSENT)}
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
    return {name: found for name, found in zip(op.outputs, listed, strict=True) if found.numel()}


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
    if labels.shape[dim] == 1 or labels.stride(dim) == 0 or not labels.numel():
        return False
    inner = core(labels)
    return not torch.equal(inner, inner.narrow(dim, 0, 1).expand_as(inner))


def core(labels: Tensor) -> Tensor:
    """The labels without what repeats them: of size one wherever the stride is zero."""
    for dim, stride in enumerate(labels.stride()):
        if stride == 0:
            labels = labels.narrow(dim, 0, 1)
    return labels


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


class Moves:
    """Labels sent through operators, each kind of operator once: layers repeat.

    Labels are kept without what repeats them, and equal ones are one tensor.
    """

    LARGEST = 1 << 14

    def __init__(self) -> None:
        self._equal: dict[Hashable, Tensor] = {}
        self._held: dict[int, Tensor] = {}
        self._made: dict[Hashable, list[Tensor] | None] = {}
        self._places: dict[Hashable, list[int | None] | None] = {}

    def one(self, labels: Tensor) -> Tensor:
        """The one tensor of these labels."""
        if id(labels) in self._held or not labels.numel():
            return labels
        for dim in range(labels.dim()):
            if labels.stride(dim) and not varies(labels, dim):
                labels = labels.narrow(dim, 0, 1).expand(labels.shape)
        inner = core(labels)
        if inner.numel() > self.LARGEST:
            return labels
        key = (tuple(labels.shape), tuple(inner.shape), inner.numpy().tobytes())
        found = self._equal.setdefault(key, labels)
        self._held[id(found)] = found
        return found

    def moved(self, op: Op, name: str, labels: Tensor) -> dict[str, Tensor] | None:
        """As the function `moved`."""
        if not _known(op):
            return None
        labels = self.one(labels)
        key = (id(labels), *_kind(op, name))
        if id(labels) not in self._held:
            return moved(op, name, labels)
        if key not in self._made:
            made = moved(op, name, labels)
            self._made[key] = (
                None
                if made is None
                else [
                    self.one(made[result]) if result in made else labels.new_empty(0)
                    for result in op.outputs
                ]
            )
        listed = self._made[key]
        if listed is None:
            return None
        return {r: found for r, found in zip(op.outputs, listed, strict=True) if found.numel()}

    def carried(self, op: Op, name: str, sizes: tuple[int, ...], dim: int) -> dict[str, int] | None:
        """The dimension of each result that is the dimension ``dim`` of ``name``, whole and alone.

        None if the operator does more than move entries; a result that lacks it is left out.
        """
        if not _known(op):
            return None
        key = (sizes, dim, *_kind(op, name))
        if key not in self._places:
            made = self.moved(op, name, along(sizes, dim))
            self._places[key] = (
                None
                if made is None
                else [
                    _place(made[result], sizes[dim]) if result in made else None
                    for result in op.outputs
                ]
            )
        places = self._places[key]
        if places is None:
            return None
        return {r: d for r, d in zip(op.outputs, places, strict=True) if d is not None}


def _place(labels: Tensor, size: int) -> int | None:
    """The dimension of this size along which labels count."""
    found = counting(labels)
    return found if found is not None and labels.shape[found] == size else None


def _kind(op: Op, name: str) -> tuple[Hashable, ...]:
    """What an operator does, whatever its tensors are called."""
    shown = (
        (key, "here" if value == Ref(name) else "" if isinstance(value, Ref) else repr(value))
        for key, value in op.arguments.items()
    )
    return op.target, str(op.overload), op.shapes[0].sizes, *shown
