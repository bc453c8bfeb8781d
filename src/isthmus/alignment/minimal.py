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
from isthmus.algebra.groups import AbstractMonomial, GeneralLinear, Motion, Value
from isthmus.algebra.symmetry import Params, Symmetry
from isthmus.alignment.canonical import balancing
from isthmus.alignment.problem import widened
from isthmus.ground import matrices


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


def compact(symmetry: Symmetry) -> Symmetry:
    """What is left of a symmetry at shortest points: permutations, signs, rotations."""
    return symmetry.essential.restrict([Motion.SWAP, Motion.FLIP, Motion.TURN])


def between(symmetry: Symmetry, g: Element, source: Minimal, target: Minimal) -> Element:
    """The compact part of what ``g``, from one model to another, does at their shortest points.

    Args:
        symmetry: the compact symmetry.
        g: an element of the whole group, with ``g·source`` near ``target``.
        source: the model that ``g`` moves.
        target: the model that stays.
    """
    core = source.symmetry
    inner = Element(core, {n: g.values[n] for n in core.spaces})
    whole = target.element @ inner @ ~source.element
    values: dict[str, Value] = {}
    for name, space in symmetry.spaces.items():
        value, one = whole.values[name], space.group.identity(symmetry.batch(name))
        if isinstance(space.group, AbstractMonomial):
            values[name] = value._replace(logs=one.logs)
        elif isinstance(core.spaces[name].group, GeneralLinear):
            values[name] = matrices.rotation(value)
        else:
            values[name] = value
    return Element(symmetry, values)


def minimal(symmetry: Symmetry, params: Mapping[str, Tensor]) -> Minimal:
    """Bring a model to the shortest point of its orbit."""
    core, whole = symmetry.essential, widened(symmetry, params)
    names = [n for n in whole if n in core.reps and not core.reps[n].fixed]
    start = {n: whole[n].double() for n in names}
    element = balancing(core, start, sweeps=200, tolerance=1e-11)
    return Minimal(whole, element, core.act_all(element, start))
