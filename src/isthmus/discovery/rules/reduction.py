"""Reductions: an axis is summed, averaged or searched, and disappears."""

from __future__ import annotations

from isthmus.algebra.groups import Motion
from isthmus.discovery.nodes import SWAPS, TURNS, Terms
from isthmus.discovery.rules.broadcast import unitless
from isthmus.discovery.rules.table import Call, rule
from isthmus.discovery.tensor import Tensor


def _reduced(call: Call, x: Tensor) -> set[int]:
    dims = call.get("dim")
    if dims is None or dims == []:
        return set(range(len(x.axes)))
    listed = [dims] if isinstance(dims, int) else list(dims)
    return {int(d) % max(len(x.axes), 1) for d in listed}


def reduce(
    call: Call, x: Tensor, motions: frozenset[Motion], *, signs: bool = False
) -> list[Terms]:
    """Restrict the reduced axes; return what stays, with empty axes where ``keepdim``."""
    typing, gone = call.typing, _reduced(call, x)
    for d in gone:
        typing.restrict(x.axes[d], motions)
        typing.unscaled(x.axes[d])
        if not signs:
            typing.unflipped(x.axes[d])
    keep = bool(call.get("keepdim", False))
    return [[] if d in gone else axis for d, axis in enumerate(x.axes) if keep or d not in gone]


@rule("sum", "mean", "nansum")
def total(call: Call) -> Tensor:
    """Linear: other axes pass untouched, the summed ones may be permuted."""
    x = call.tensor("self")
    return call.make(reduce(call, x, SWAPS))


def _others(call: Call, axes: list[Terms], top: int, bottom: int) -> list[Terms]:
    out = []
    for axis in axes:
        call.typing.restrict(axis)
        out.append(call.typing.power(axis, top, bottom, odd=False) if axis else axis)
    return out


@rule("amax", "amin", "logsumexp", "any", "all", "prod", "nanmedian")
def largest(call: Call) -> Tensor | list[Tensor]:
    """Permutations of the reduced axis; for maxima, positive scales of the others."""
    typing, x = call.typing, call.tensor("self")
    axes = reduce(call, x, SWAPS)
    homogeneous = call.op.target in {"amax", "amin", "max", "min"}
    for axis in axes:
        typing.restrict(axis)
        typing.unflipped(axis)
        if not homogeneous:
            typing.unscaled(axis)
    if call.op.target in {"argmax", "argmin"} or len(call.op.shapes) > 1:
        for d in _reduced(call, x):
            typing.pin(x.axes[d])
    first = call.make(axes)
    if len(call.op.shapes) == 1:
        return first
    # Where the largest is found goes with the coordinates that are kept, but has no unit.
    return [first, call.make([unitless(axis) for axis in axes], 1)]


@rule("linalg_vector_norm", "norm")
def norm(call: Call) -> Tensor:
    """The Euclidean norm also allows rotations of the reduced axes."""
    x = call.tensor("self")
    order = call.get("ord", call.get("p", 2))
    axes = reduce(
        call, x, TURNS if order == 2 and len(_reduced(call, x)) == 1 else SWAPS, signs=True
    )
    return call.make(_others(call, axes, 0 if order == 0 else 1, 1))


@rule("var", "std", "var_mean", "std_mean")
def spread(call: Call) -> Tensor | list[Tensor]:
    """Permutations of the reduced axes; scales of the others once or squared."""
    x = call.tensor("self")
    axes = reduce(call, x, SWAPS)
    squared = call.op.target.startswith("var")
    first = call.make(_others(call, axes, 2 if squared else 1, 1))
    if len(call.op.shapes) == 1:
        return first
    return [first, call.make(axes, 1)]
