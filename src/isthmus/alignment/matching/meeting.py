"""Two models where they can meet: in the essential coordinates, free ones put aside."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from isthmus.algebra.elements import Element
from isthmus.algebra.symmetry import Params, Symmetry
from isthmus.alignment.matching.lengths import made_alike
from isthmus.alignment.matching.problem import Problem
from isthmus.ground.params import distances, is_statistic


@dataclass(frozen=True, eq=False)
class Meeting:
    """What acts, and on what: the essential part of a symmetry and two models' coordinates.

    Attributes:
        symmetry: the whole symmetry.
        core: its part that acts on essential coordinates.
        a, b: the essential coordinates on which something acts, but for what a BatchNorm measured:
            statistics are moved along, and do not count. They follow from weights and data, and
            would outweigh all weights.
        free: the coordinates of both on which the function does not depend.
        rest: the squared distance over coordinates on which nothing acts.
    """

    symmetry: Symmetry
    core: Symmetry
    a: Params
    b: Params
    free: tuple[Params, Params]
    rest: float

    @classmethod
    def of(
        cls,
        a: Mapping[str, Tensor],
        b: Mapping[str, Tensor],
        symmetry: Symmetry,
        *,
        exact: bool = False,
    ) -> Meeting:
        """Both models in the gauge of the symmetry, in the precision of the search (`widened`)."""
        core = symmetry.essential
        whole = [widened(symmetry, params, exact=exact) for params in (a, b)]
        one, two = (acted(core, x) for x in whole)
        idle = [{n: t for n, t in x.items() if counts(core, n) and n not in one} for x in whole]
        free = [{n: x[n] for n in x if n not in core.reps} for x in whole]
        rest = sum(gap * gap for gap in distances(*idle).values())
        return cls(symmetry, core, one, two, (free[0], free[1]), rest)

    def problem(self, element: Element) -> Problem:
        """The matching problem, at an element of the whole symmetry or of its core."""
        held = {n: element.values[n] for n in self.core.spaces}
        return Problem(self.core, self.a, self.b, Element(self.core, held))

    def whole(self, element: Element) -> Element:
        """An element of the core, as one of the whole: what is free is brought together.

        That is what no output depends on, and lengths in front of a norm (`made_alike`).
        """
        alike = made_alike(self.problem(element))
        found = {**alike.values, **self.symmetry.settling(*self.free)}
        return Element(self.symmetry, {n: found[n] for n in self.symmetry.spaces})

    def left(self, element: Element) -> dict[str, float]:
        """What an element of the whole leaves of free coordinates: squared distances by space."""
        out: dict[str, float] = {}
        target, source = self.free
        for name, tensor in source.items():
            moved = self.symmetry.act_on(name, element.values, tensor)
            (space,) = self.symmetry.reps[name].spaces
            out[space] = out.get(space, 0.0) + float((target[name] - moved).square().sum())
        return out


def widened(symmetry: Symmetry, params: Mapping[str, Tensor], *, exact: bool = False) -> Params:
    """Floating-point coordinates in the precision of the search.

    Where the group is continuous, or with ``exact``, that is float64; for order and signs alone
    what the models hold is enough, or float32.
    """
    wide = {n: t for n, t in symmetry.coordinates(params).items() if t.is_floating_point()}
    if exact or any(space.group.lie_dim for space in symmetry.spaces.values()):
        return {n: t.double() for n, t in wide.items()}
    held = (t.dtype for t in params.values() if t.is_floating_point())
    dtype = functools.reduce(torch.promote_types, held, torch.float32)
    return {n: t.to(dtype) for n, t in wide.items()}


def acted(core: Symmetry, whole: Mapping[str, Tensor]) -> Params:
    """The coordinates on which the essential part of a symmetry acts, and that count."""
    return {n: t for n, t in whole.items() if counts(core, n) and not core.reps[n].fixed}


def counts(core: Symmetry, name: str) -> bool:
    """Whether a coordinate is essential, and no statistic that follows from data."""
    return name in core.reps and not is_statistic(name)
