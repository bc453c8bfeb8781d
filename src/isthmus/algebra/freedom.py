"""Freedom: coordinates on which the function does not depend, apart from the essential ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from isthmus.algebra.groups import AbstractMonomial, Lattice, Moves, Translation, Value

if TYPE_CHECKING:
    from isthmus.algebra.symmetry import Symmetry


def essential(symmetry: Symmetry) -> Symmetry:
    """The part of a symmetry that acts on essential parameters, as a symmetry of coordinates."""
    free = symmetry.chart.canonical
    reps = {
        name: replace(rep, offset=0.0, absorbed=()) if rep.offset or rep.absorbed else rep
        for name, rep in symmetry.reps.items()
        if name not in free
    }
    moving = {used for name in free for used in symmetry.reps[name].spaces}
    spaces = {name: space for name, space in symmetry.spaces.items() if name not in moving}
    return type(symmetry)(spaces, reps)


def settling(
    symmetry: Symmetry, a: Mapping[str, Tensor], b: Mapping[str, Tensor]
) -> dict[str, Value]:
    """The values of free spaces that bring coordinates ``b`` into the gauge of ``a``."""
    values: dict[str, Value] = {}
    for name in symmetry.chart.canonical:
        (space,) = symmetry.reps[name].spaces
        group = symmetry.spaces[space].group
        if isinstance(group, AbstractMonomial):
            values[space] = _scaled(group, a[name].double(), b[name].double())
        elif isinstance(group, Translation | Lattice):
            values[space] = (a[name] - b[name])[:-1].double()
    return values


def _scaled(group: AbstractMonomial, a: Tensor, b: Tensor) -> Moves:
    """Signs and scales from b to a; where one of them is zero, none."""
    ratio = torch.where((a == 0) | (b == 0), torch.ones_like(a), a / b)
    one = group.identity()
    signs = torch.where(ratio < 0, -1.0, 1.0).expand_as(one.signs).to(one.signs)
    logs = ratio.abs().log().expand_as(one.logs)
    return Moves(one.perm, signs if group.flips else one.signs, logs if group.scales else one.logs)
