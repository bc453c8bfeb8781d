"""Terms: a set of blocks seen from one space, and what is proved of how near they can come."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from isthmus.algebra.groups import AbstractMonomial, AbstractRotation, GeneralLinear
from isthmus.alignment.matching.problem import Occurrence, Problem
from isthmus.alignment.optimality.costs import costs_of, gibibytes
from isthmus.alignment.optimality.duals import Duals, dual_bound, fitting, solve
from isthmus.alignment.optimality.freedom import Freedom, moving
from isthmus.alignment.optimality.products import has_products, product_costs
from isthmus.alignment.optimality.spectra import (
    linear_bound,
    side_of,
    spectral_bound,
    turning_gain,
)


@dataclass(frozen=True)
class Term:
    """What is proved of some blocks.

    Attributes:
        kind: how: assignment, rotation, linear, products, spectral, fixed; or none.
        value: their squared distance at the element.
        bound: what it cannot fall below.
        sharp: whether the bound is reached, so that a gap is a gain that was missed.
        numbers: further figures.
        duals: of the assignment.
    """

    kind: str
    value: float
    bound: float = 0.0
    sharp: bool = False
    numbers: Mapping[str, float] = field(default_factory=dict)
    duals: Duals | None = None

    @property
    def gap(self) -> float:
        """The most that can be gained."""
        return self.value - self.bound

    def to_json(self) -> dict[str, Any]:
        """Plain data: with the duals, enough to check the bound without solving for them."""
        data: dict[str, Any] = {"kind": self.kind, "value": self.value, "bound": self.bound}
        data |= {"gap": self.gap, "sharp": self.sharp, **self.numbers}
        if self.duals is not None:
            data |= {name: x.tolist() for name, x in zip("uv", self.duals, strict=True)}
        return data


def term(
    problem: Problem,
    space: str,
    places: Sequence[Occurrence],
    free: Container[str],
    duals: Duals | None = None,
    *,
    memory: float = 0.0,
) -> Term:
    """What is proved of blocks in which a space acts, while the free spaces may move.

    Args:
        problem: the state, in float64.
        space: whose problem it is.
        places: where it acts, each block once.
        free: spaces that may move, this one among them.
        duals: of the assignment, where they are known; they are checked, not trusted.
        memory: solve for duals where they are not given, in at most so many GiB.
    """
    spaces = problem.symmetry.spaces
    outer = any(o in free and spaces[o].group.motions for o in spaces[space].over)
    group = spaces[space].group
    if isinstance(group, GeneralLinear) or (outer and has_products(group)):
        return _based(problem, places, free, duals, solving=memory > 0)
    if isinstance(group, AbstractMonomial):
        return _assigned(problem, space, places, free, duals, memory)
    if isinstance(group, AbstractRotation):
        return _turned(problem, group, places, free)
    return Term("none", squared_distance(problem, places))


def _assigned(
    problem: Problem,
    space: str,
    places: Sequence[Occurrence],
    free: Container[str],
    duals: Duals | None,
    memory: float,
) -> Term:
    """Permutations, with scales and signs: by the duals of the assignment."""
    value = squared_distance(problem, places)
    levels = [_level(problem, place, free) for place in places]
    bounded = [p for p, level in zip(places, levels, strict=True) if level < Freedom.UNBOUNDED]
    if not bounded or (duals is None and gibibytes(problem.symmetry, space) > memory):
        return Term("none", value)
    costs = costs_of(problem, bounded, free)
    found = duals if duals is not None else solve(costs)
    bound, excess = dual_bound(costs, *fitting(found, costs.plus.shape[1:]))
    # With scales the search for the best of each pair may miss it, and the bound falls short.
    sharp = not any(levels) and not costs.powers.shape[1]
    return Term("assignment", value, _within(bound, value), sharp, {"excess": excess}, found)


def _turned(
    problem: Problem, group: AbstractRotation, places: Sequence[Occurrence], free: Container[str]
) -> Term:
    """Rotations: by Procrustes where nothing else moves, by singular values elsewhere."""
    levels = [_level(problem, place, free) for place in places]
    bound, numbers = 0.0, dict[str, float]()
    still = [p for p, level in zip(places, levels, strict=True) if level is Freedom.NONE]
    if still:
        gain, numbers = turning_gain(problem, group, still)
        bound = squared_distance(problem, still) - gain
    for place, level in zip(places, levels, strict=True):
        if Freedom.NONE < level < Freedom.UNBOUNDED:
            bound += spectral_bound(problem, place, side_of(problem, place, free))
    value = squared_distance(problem, places)
    return Term("rotation", value, _within(bound, value), not any(levels), numbers)


def _based(
    problem: Problem,
    places: Sequence[Occurrence],
    free: Container[str],
    duals: Duals | None,
    *,
    solving: bool,
) -> Term:
    """Changes of basis: by least squares where nothing else moves, by products elsewhere too."""
    value = squared_distance(problem, places)
    still = [place for place in places if _level(problem, place, free) is Freedom.NONE]
    bounded = [place for place in places if _beside(problem, place, free) < Freedom.UNBOUNDED]
    bound, numbers = linear_bound(problem, still) if still else (0.0, dict[str, float]())
    costs = product_costs(problem, bounded, free)
    if costs is None:
        return Term("linear" if still else "none", value, _within(bound, value), False, numbers)
    found = None
    if costs.dim() > 1:
        found = duals or (solve(costs.unsqueeze(0)) if solving else None)
        if found is None:
            return Term("none", value)
        found = fitting(found, (1, *costs.shape))
        product, numbers["excess"] = dual_bound(costs.unsqueeze(0), *found)
    else:
        product = float(costs.sum())
    # Where all rests, the products are those of what least squares leave.
    bound = bound + product if len(still) == len(bounded) else max(bound, product)
    return Term("products", value, _within(bound, value), False, numbers, found)


def spectral(problem: Problem, place: Occurrence, free: Container[str]) -> Term:
    """The bound of one block on which only orthogonal motions act; none for others."""
    value = squared_distance(problem, [place])
    levels = moving(problem.symmetry, place.block, free).values()
    if max(levels, default=Freedom.NONE) is Freedom.UNBOUNDED:
        return Term("none", value)
    bound = spectral_bound(problem, place, side_of(problem, place, free))
    return Term("spectral", value, _within(bound, value))


def squared_distance(problem: Problem, places: Iterable[Occurrence]) -> float:
    """Over the blocks of some places."""
    total = 0.0
    for place in places:
        a, b = (place.block.read(side[place.name]) for side in (problem.target, problem.moved))
        total += float((a.double() - b.double()).square().sum())
    return total


def _level(problem: Problem, place: Occurrence, free: Container[str]) -> Freedom:
    """How free the rest of a block is; unbounded where what indexes the space may move."""
    levels = moving(problem.symmetry, place.block, free)
    indexed = any(d in levels for d in place.over)
    return Freedom.UNBOUNDED if indexed else _beside(problem, place, free)


def _beside(problem: Problem, place: Occurrence, free: Container[str]) -> Freedom:
    """How free all other factors of a block are."""
    levels = moving(problem.symmetry, place.block, free)
    return Freedom(max((f for d, f in levels.items() if d != place.dim), default=Freedom.NONE))


def _within(bound: float, value: float) -> float:
    return min(max(bound, 0.0), value)
