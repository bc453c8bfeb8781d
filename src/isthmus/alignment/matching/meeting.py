"""Two models where they can meet: in the essential coordinates, free ones put aside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from isthmus.algebra.elements import Element
from isthmus.algebra.symmetry import Params, Symmetry
from isthmus.alignment.matching.problem import Problem, widened
from isthmus.ground.params import distances


@dataclass(frozen=True, eq=False)
class Meeting:
    """What acts, and on what: the essential part of a symmetry and two models' coordinates.

    Attributes:
        symmetry: the whole symmetry.
        core: its part that acts on essential coordinates.
        a, b: the essential coordinates on which something acts.
        free: the values of the other spaces, which bring free coordinates together.
        rest: the squared distance over coordinates on which nothing acts.
    """

    symmetry: Symmetry
    core: Symmetry
    a: Params
    b: Params
    free: Mapping[str, object]
    rest: float

    @classmethod
    def of(cls, a: Mapping[str, Tensor], b: Mapping[str, Tensor], symmetry: Symmetry) -> Meeting:
        """Both models in the gauge of the symmetry, in the precision of the search."""
        wide_a, wide_b = (widened(symmetry, params) for params in (a, b))
        core = symmetry.essential
        acted = [n for n in wide_a if n in core.reps and not core.reps[n].fixed]
        idle = [n for n in wide_a if n in core.reps and core.reps[n].fixed]
        gaps = distances({n: wide_a[n] for n in idle}, {n: wide_b[n] for n in idle})
        return cls(
            symmetry,
            core,
            {n: wide_a[n] for n in acted},
            {n: wide_b[n] for n in acted},
            symmetry.settling(wide_a, wide_b),
            sum(gap * gap for gap in gaps.values()),
        )

    def problem(self, element: Element) -> Problem:
        """The matching problem, at an element of the whole symmetry or of its core."""
        held = {n: element.values[n] for n in self.core.spaces}
        return Problem(self.core, self.a, self.b, Element(self.core, held))

    def whole(self, element: Element) -> Element:
        """An element of the core, as one of the whole: what is free is brought together."""
        found = {**element.values, **self.free}
        return Element(self.symmetry, {n: found[n] for n in self.symmetry.spaces})
