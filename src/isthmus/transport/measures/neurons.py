"""neurons: the units of a space as atoms, by the reps of the symmetry (mathematics.md 2.1, 2.5)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from isthmus.algebra.groups import AbstractMonomial, Character
from isthmus.algebra.spaces import Space
from isthmus.algebra.symmetry import Symmetry
from isthmus.alignment.data.metric import Metric, MetricProblem
from isthmus.alignment.finite import check_finite
from isthmus.alignment.matching.meeting import acted, widened
from isthmus.alignment.matching.problem import Occurrence
from isthmus.ground.errors import BadInput, UnknownName, closest
from isthmus.transport.measures.measure import Measure


@dataclass(frozen=True)
class Parts:
    """Which of a unit's numbers its atom is made of.

    Args:
        incoming: the weights with which it is computed.
        outgoing: the weights with which it is read.
        bias: what has one number for each unit: its bias, the gain of its norm.

    Raises:
        BadInput: nothing is chosen.
    """

    incoming: bool = True
    outgoing: bool = False
    bias: bool = True

    def __post_init__(self) -> None:
        if not (self.incoming or self.outgoing or self.bias):
            raise BadInput("an atom of no parts", "choose incoming, outgoing or bias")

    def hold(self, place: Occurrence) -> bool:
        """Whether what stands at a place is chosen."""
        if len(place.block.factors) == 1:
            return self.bias
        return self.outgoing if place.character.dual else self.incoming


INCOMING = Parts()
"""Incoming weights and bias."""


def unit_spaces(symmetry: Symmetry) -> list[str]:
    """The spaces whose coordinates are units, or blocks of units: whatever is permuted at the top.

    Units that a head (or an expert) has of its own belong to the atom of the head.
    """
    return [name for name, space in symmetry.essential.spaces.items() if _has_units(space)]


def neurons(
    params: Mapping[str, Tensor],
    symmetry: Symmetry,
    space: str,
    *,
    parts: Parts = INCOMING,
    metrics: Sequence[Metric] = (),
) -> Measure:
    """The units of a space as a measure of equal masses.

    A unit's atom is all that the reps say belongs to it, of the chosen parts, in the gauge of the
    symmetry. Its scales are as they are: `canonical(params, symmetry, form, ordered=False)` brings
    all units to a standard length first (`Balanced`, `UnitNorm`). Signs that the symmetry allows
    are no part of an atom's identity (`Measure.signs`). What a BatchNorm measured does not count.

    In the metric of data (``metrics``, of `second_moments`) an incoming weight W with bias b
    stands as ``[W C^½, b + W μ]``: squared distances are then ``E|(w - w')·x + b - b'|²``, the mean
    squared difference of what two units compute. An outgoing weight is multiplied by the root mean
    square of what it reads, over all units.

    Atoms of two models can be compared where the units before (and, for outgoing weights, after)
    stand in one order: after `align`. So with a weight from a space to itself: its other end keeps
    its order.

    Args:
        params: a model.
        symmetry: of its architecture.
        space: a name of `unit_spaces`.
        parts: what an atom is made of.
        metrics: what weights are multiplied with.

    Raises:
        UnknownName: there is no such space, or a parameter is not of the symmetry.
        BadInput: its coordinates are no units, or none of the chosen parts exists.
        NotFinite, ShapeMismatch: the parameters hold NaN, or have other shapes.
    """
    symmetry.check(params)
    check_finite(params, "the model")
    core = symmetry.essential
    group = require_units(symmetry, space).group
    point = acted(core, widened(symmetry, params, exact=True))
    state = MetricProblem(core, point, point, core.identity(), metrics=metrics)
    chosen = [place for place in state.places[space] if parts.hold(place)]
    shifts = [] if parts.bias or not parts.incoming else _shifts(metrics, state.places[space])
    if not parts.bias:
        # What is left of b + W μ is the part of W.
        state.b = {n: t * 0 if any(p.name == n for p in shifts) else t for n, t in point.items()}
    state.places[space] = chosen + shifts
    rows = [(character, moved.double()) for character, _, moved in state.rows(space)]
    if not rows:
        raise BadInput(f"the units of space {space} have none of {parts}", "choose other parts")
    signs = _signs([(c, x.shape[-1]) for c, x in rows], getattr(group, "flips", 0))
    return Measure(torch.cat([x for _, x in rows], -1), signs=signs)


def require_units(symmetry: Symmetry, name: str) -> Space:
    """The space of that name, whose coordinates are units.

    Raises:
        UnknownName: there is none.
        BadInput: its coordinates are no units.
    """
    space = symmetry.essential.spaces.get(name)
    if space is None:
        near = closest(name, unit_spaces(symmetry))
        raise UnknownName(
            f"there is no space {name!r}",
            f"did you mean {near!r}?" if near else f"choose of {', '.join(unit_spaces(symmetry))}",
        )
    if space.over:
        raise BadInput(
            f"the units of {name} belong to those of {space.over[0]}",
            f"take {space.over[0]}, whose atoms hold them",
        )
    if not _has_units(space):
        raise BadInput(
            f"the coordinates of {name} are no units: its group is {space.group}",
            f"choose of {', '.join(unit_spaces(symmetry))}",
        )
    return space


def _has_units(space: Space) -> bool:
    return isinstance(space.group, AbstractMonomial) and space.group.swaps and not space.over


def _shifts(metrics: Sequence[Metric], places: Sequence[Occurrence]) -> list[Occurrence]:
    """The places of biases that stand for the mean of what their weight is multiplied with."""
    named = {metric.bias for metric in metrics}
    return [place for place in places if place.name in named]


def _signs(features: Sequence[tuple[Character, int]], families: int) -> Tensor:
    """Every choice of signs, as each feature feels it."""
    found = [
        torch.cat(
            [
                torch.full((count,), _felt(character, choice), dtype=torch.float64)
                for character, count in features
            ]
        )
        for choice in itertools.product((1.0, -1.0), repeat=families)
    ]
    rows: Tensor = torch.unique(torch.stack(found), dim=0)
    return rows.flip(0)


def _felt(character: Character, choice: Sequence[float]) -> float:
    sign = 1.0
    for power, one in zip(character.flips, choice, strict=True):
        sign *= one if power % 2 else 1.0
    return sign
