"""Operators that only move, repeat, choose or drop numbers: they act on every part alike."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from isthmus.ground import UnknownOperator
from isthmus.landscape.enclosures.enclosure import Enclosure, lift
from isthmus.landscape.enclosures.rounding import TINY
from isthmus.landscape.enclosures.table import encloses

_MOVES = {
    "view": "reshape",
    "_unsafe_view": "reshape",
    "_reshape_alias": "reshape",
    "view_as": "reshape_as",
} | {
    name: name
    for name in (
        "reshape", "reshape_as", "flatten", "unflatten", "squeeze", "unsqueeze", "permute",
        "transpose", "swapaxes", "movedim", "t", "numpy_T", "mT", "expand", "expand_as", "repeat",
        "repeat_interleave", "slice", "select", "narrow", "index", "index_select", "gather",
        "take_along_dim", "flip", "roll", "diagonal", "tril", "triu", "broadcast_to",
        "unfold", "pixel_shuffle",
        "split", "split_with_sizes", "tensor_split", "chunk", "unbind", "channel_shuffle",
        "contiguous",
    )
}  # fmt: skip


def _move(name: str, target: str) -> None:
    operator = getattr(torch.ops.aten, target)

    def rule(x: Any, *args: Any, **options: Any) -> Any:
        return moved(x, lambda t: operator(t, *args, **options))

    encloses(name)(rule)


def moved(x: Enclosure, move: Any) -> Any:
    """``move`` of every part; a list where it gives several tensors."""
    x.shared = True
    found: list[Any] = [
        None if part is None else move(part) for part in (x.centre, x.slope, x.radius)
    ]
    if isinstance(found[0], Tensor):
        return _view(*found)
    pieces = zip(*[part or [None] * len(found[0]) for part in found], strict=True)
    return [_view(*piece) for piece in pieces]


def _view(centre: Any, slope: Any, radius: Any) -> Enclosure:
    made = Enclosure(centre, slope, radius)
    made.shared = True
    return made


for _name, _target in _MOVES.items():
    _move(_name, _target)


@encloses("embedding")
def embedding(weight: Enclosure, indices: Tensor, *_: Any) -> Enclosure:
    """The rows that the indices name."""
    made: Enclosure = moved(weight, lambda t: t[indices])
    return made


@encloses("cat", "concat", "concatenate")
def cat(tensors: Any, dim: int = 0) -> Enclosure:
    """Set together along a dimension that is there."""
    like = next(one for one in tensors if isinstance(one, Enclosure))
    every = [lift(one, like) for one in tensors]
    slope = None
    if any(one.slope is not None for one in every):
        slope = torch.cat([one.tilt for one in every], dim)
    radius = None
    if any(one.radius is not None for one in every):
        radius = torch.cat([one.error for one in every], dim)
    return Enclosure(torch.cat([one.centre for one in every], dim), slope, radius)


@encloses("stack")
def stack(tensors: Any, dim: int = 0) -> Enclosure:
    """Set together along a new dimension."""
    return cat([one.unsqueeze(dim) for one in tensors], dim)


@encloses("pad", "constant_pad_nd")
def pad(x: Enclosure, widths: list[int], mode: Any = "constant", value: Any = None) -> Enclosure:
    """Constants, or numbers repeated, around the edges."""
    if not isinstance(mode, str):
        mode, value = "constant", mode
    if mode != "constant":
        made: Enclosure = moved(x, lambda t: torch.nn.functional.pad(t, widths, mode))
        return made

    def around(part: Tensor | None, number: float) -> Tensor | None:
        return None if part is None else torch.nn.functional.pad(part, widths, "constant", number)

    centre = around(x.centre, float(value or 0.0))
    assert centre is not None
    return Enclosure(centre, around(x.slope, 0.0), around(x.radius, 0.0))


@encloses("masked_fill")
def masked_fill(x: Enclosure, mask: Tensor, value: Any) -> Enclosure:
    """A number where the mask is set; it may be infinite."""
    return where(mask, value, x)


@encloses("where")
def where(mask: Tensor, x: Any, y: Any) -> Enclosure:
    """x where the mask is set, y elsewhere; the mask does not depend on the parameters."""
    like = x if isinstance(x, Enclosure) else y
    one, other = lift(x, like), lift(y, like)
    slope = None
    if one.slope is not None or other.slope is not None:
        slope = torch.where(mask, one.tilt, other.tilt)
    radius = torch.where(mask, _exact(x, one), _exact(y, other))
    return Enclosure(torch.where(mask, one.centre, other.centre), slope, radius)


def _exact(given: Any, made: Enclosure) -> Tensor:
    """The radius; none for what is no enclosure, which may be infinite."""
    return made.error if isinstance(given, Enclosure) else torch.full_like(made.centre, TINY)


@encloses("clone", "detach", "alias", "to", "_to_copy", "type_as", "lift_fresh")
def same(x: Enclosure, *args: Any, **options: Any) -> Enclosure:
    """What changes no number in real arithmetic: copies, and other dtypes of real numbers."""
    given = [one.dtype if isinstance(one, Tensor) else one for one in (*args, *options.values())]
    if any(isinstance(one, torch.dtype) and not one.is_floating_point for one in given):
        raise UnknownOperator(
            "cannot bound the loss through numbers that are made whole",
            "let the model keep them real, or use a sampled barrier",
        )
    made: Enclosure = moved(x, lambda t: t)
    return made


@encloses("dropout", "feature_dropout", "alpha_dropout")
def dropout(x: Enclosure, p: float, train: bool) -> Enclosure:
    """Nothing in evaluation mode."""
    if train and p:
        raise UnknownOperator(
            "cannot bound the loss through dropout that is on in evaluation mode",
            "let the model pass self.training to its dropout",
        )
    return x


def _constant(name: str) -> None:
    operator = getattr(torch.ops.aten, name)
    encloses(name)(lambda x, *args, **options: operator(x.centre, *args, **options))


for _name in ("zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full"):
    _constant(_name)
