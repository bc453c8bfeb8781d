"""Whether an element keeps the function: the check at the end of every alignment."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from isthmus.algebra.elements import Element
from isthmus.algebra.groups import Group, Moves, Value
from isthmus.algebra.symmetry import Params, Symmetry
from isthmus.ground.errors import NotAMember
from isthmus.ground.params import distance, norm

REMEDY = "give the matcher that found it other starts, or restrict the symmetry"

EXACT = 1e-9
"""The relative error, in float64, up to which a symmetry counts as exact."""


def kept(element: Element, b: Mapping[str, Tensor]) -> float:
    """How exactly ``g`` can be undone on ``b``, relative, in float64; 0 for order and signs alone.

    A discovered group keeps the function (`verify`), so that ``g·b`` computes what b does if each
    part of g lies in its group and g is far enough from singular to be undone.

    Raises:
        NotAMember: a part is no element of its group, or undoing it loses more than 1e-9.
    """
    symmetry = element.symmetry
    for name, value in element.values.items():
        wrong = _why_not(symmetry.spaces[name].group, value)
        if wrong:
            raise NotAMember(f"the element of {name} is not in its group: {wrong}", REMEDY)
    if not any(space.group.lie_dim for space in symmetry.spaces.values()):
        return 0.0
    wide = _essential(symmetry, b)
    back = symmetry.act_all(~element, symmetry.act_all(element, wide))
    error = distance(wide, back) / (norm(wide) or 1.0)
    if not error <= EXACT:
        raise NotAMember(
            f"undoing the element changes the parameters by {error:.3g}, relative", REMEDY
        )
    return error


def rounding(symmetry: Symmetry, element: Element, b: Mapping[str, Tensor], moved: Params) -> float:
    """By how much half-precision parameters are rounded, relative; 0 where there are none."""
    half = (torch.float16, torch.bfloat16)
    if not any(t.dtype in half for t in b.values()):
        return 0.0
    wide = {n: t.float() if t.dtype in half else t for n, t in b.items()}
    exact = symmetry.act(element, wide)
    return distance(exact, {n: t.to(exact[n].dtype) for n, t in moved.items()}) / norm(exact)


def _essential(symmetry: Symmetry, b: Mapping[str, Tensor]) -> dict[str, Tensor]:
    wide = {n: t.double() for n, t in symmetry.coordinates(b).items() if t.is_floating_point()}
    return {n: t for n, t in wide.items() if not symmetry.reps[n].fixed}


def _why_not(group: Group, value: Value) -> str | None:
    if isinstance(value, Moves):
        each = value.perm.reshape(-1, value.perm.shape[-1])
        if not torch.equal(each.sort(-1).values, torch.arange(group.size).expand_as(each)):
            return "not a permutation"
        if not bool((value.signs.abs() == 1).all()):
            return "a sign is not 1 or -1"
        return None if bool(torch.isfinite(value.logs).all()) else "a scale is not finite"
    matrices = group.matrix(value, group.natural).reshape(-1, group.size, group.size)
    return next((w for w in (group.why_not(m) for m in matrices) if w), None)
