"""Minimal vectors: the shortest point of an orbit, where what is left to choose is compact.

Over the whole group neither the distance between two models nor a sum of such distances need have
a minimum: scales and shears can make what differs as short as one likes, at the cost of what
agrees. At the shortest point of each orbit that freedom is gone: it is unique up to permutations,
signs and rotations (Kempf and Ness 1979), and these keep all lengths. Scales that only grow
(before a norm) have no shortest point; they are set to unit norm. Where a unit or a head has
nothing on one side there is no shortest point either, and it is left as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from isthmus.algebra.elements import Element
from isthmus.algebra.groups import Motion, Value
from isthmus.algebra.symmetry import Params, Symmetry
from isthmus.alignment.forms.balancing import balancing
from isthmus.alignment.matching.meeting import acted, widened


@dataclass(frozen=True)
class Minimal:
    """A model brought to the shortest point of its orbit.

    Attributes:
        whole: all its floating-point coordinates, as they were.
        element: what brings it there, of the essential symmetry.
        point: the coordinates there, of all on which something acts.
    """

    whole: Params
    element: Element
    point: Params

    @property
    def symmetry(self) -> Symmetry:
        """What acts on essential coordinates."""
        return self.element.symmetry

    def params(self, symmetry: Symmetry, given: Mapping[str, Tensor]) -> Params:
        """The model there: ``given`` moved, in its dtypes."""
        values: dict[str, Value] = {**symmetry.identity().values, **self.element.values}
        return symmetry.act(Element(symmetry, values), symmetry.canonical(given))


_COMPACT = (Motion.SWAP, Motion.FLIP, Motion.TURN)


def compact(symmetry: Symmetry) -> Symmetry:
    """What is left of a symmetry at shortest points: permutations, signs, rotations."""
    return symmetry.restrict(_COMPACT)


def minimal(symmetry: Symmetry, params: Mapping[str, Tensor]) -> Minimal:
    """Bring a model to the shortest point of its orbit."""
    core, whole = symmetry.essential, widened(symmetry, params, exact=True)
    start = acted(core, whole)
    element = balancing(core, start, sweeps=200, tolerance=1e-11)
    return Minimal(whole, element, core.act_all(element, start))
