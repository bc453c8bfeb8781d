"""Annealing: search the permutations for a low barrier, by random swaps and a falling temperature.

Entezari et al. (2022) look so for the permutations that their conjecture speaks of: neurons are
swapped at random, and a swap is accepted by the barrier that it leads to. Their temperatures are
not at hand; the schedule here is reconstructed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from isthmus.algebra.elements import Element
from isthmus.algebra.groups import AbstractMonomial, Motion, Moves
from isthmus.algebra.symmetry import Params, Symmetry
from isthmus.alignment.loss.descent import Unmoved
from isthmus.alignment.matcher import Match, Matcher
from isthmus.ground.errors import BadInput
from isthmus.landscape.loss import Loss
from isthmus.landscape.straight import Line

_FLAT = 1e-12
"""The least temperature, relative to the loss: where the start has no barrier, nothing is hot."""


@dataclass(frozen=True)
class Annealing:
    """Search the discrete part of the group for a low barrier on the line from ``a`` to ``g·b``.

    A step swaps two units of one space, or where the group has signs flips one, at random. It is
    accepted where the barrier falls, and else with the probability ``exp(-rise / temperature)``;
    the temperature falls geometrically. All that is continuous stays where the start has it. What
    is returned is the best element seen, the start included, so that it is never worse. Of groups
    that hold rotations the permutations are searched, of families (heads) those of every member.

    Args:
        loss: by which the barrier is measured, with all its batches: at every step.
        start: gives the first element: `Unmoved`, `WeightMatching` or any other.
        steps: how many swaps are tried.
        hot: the first temperature, as a share of the barrier at the start.
        cold: the last one, so.
        points: the t at which the loss is measured; the largest rise above the chord counts, which
            may be negative.
        statistics: for BatchNorm: with statistics recomputed at each point, on the batches of
            ``loss``.

    Raises:
        BadInput: on a call: steps, temperatures or points are out of range.
    """

    loss: Loss
    start: Matcher = field(default_factory=Unmoved)
    steps: int = 1000
    hot: float = 0.03
    cold: float = 1e-4
    points: tuple[float, ...] = (0.5,)
    statistics: bool = False

    def __call__(
        self,
        a: Mapping[str, Tensor],
        b: Mapping[str, Tensor],
        symmetry: Symmetry,
        generator: torch.Generator,
    ) -> Match:
        """The best element seen.

        ``evidence["barriers"]`` are the start's and every later one that was the lowest so far,
        ``evidence["accepted"]`` is how many swaps were.
        """
        self._check()
        first = self.start(a, b, symmetry, generator)
        swaps = _Swaps.of(symmetry)
        line = _Line(self, a, b, symmetry)
        element, moved = first.element, symmetry.act_all(first.element, line.coordinates)
        here = line.rise(moved)
        best, barriers, accepted = element, [here], 0
        for step in range(self.steps if swaps.units else 0):
            swap = swaps.drawn(generator)
            there = swap.moved(moved)
            rise = line.rise(there)
            if not self._takes(rise, here, self._temperature(step, barriers[0], line), generator):
                continue
            element, moved, here = swap.element @ element, there, rise
            accepted += 1
            if here < barriers[-1]:
                best = element
                barriers.append(here)
        claim = f"of {self.steps} swaps that were tried, none led to a lower barrier on the line"
        evidence = {**first.evidence, "barriers": barriers, "accepted": accepted}
        return Match(best, evidence, claim)

    def _check(self) -> None:
        if self.steps < 0:
            raise BadInput(f"steps is {self.steps}, expected 0 or more", "say how many swaps")
        if not 0 < self.cold <= self.hot < math.inf:
            raise BadInput(
                f"temperatures from {self.hot} to {self.cold}, expected positive ones that fall",
                "give 0 < cold <= hot",
            )
        if not self.points or not all(0 < t < 1 for t in self.points):
            raise BadInput(
                f"points are {self.points}, expected at least one between 0 and 1",
                "give points inside the line, as (0.5,)",
            )

    def _temperature(self, step: int, first: float, line: _Line) -> float:
        share = step / max(self.steps - 1, 1)
        size = abs(first) if math.isfinite(first) else line.size
        falling = math.exp((1 - share) * math.log(self.hot) + share * math.log(self.cold))
        return max(size * falling, _FLAT * line.size)

    @staticmethod
    def _takes(rise: float, here: float, temperature: float, generator: torch.Generator) -> bool:
        """By Metropolis: what is lower always, what is higher now and then, NaN never."""
        chance = float(torch.rand((), generator=generator))
        if rise <= here:
            return True
        return math.isfinite(rise) and chance < math.exp(-(rise - here) / temperature)


@dataclass(frozen=True)
class _Swap:
    """An element that moves one or two units of one space."""

    element: Element
    space: str

    def moved(self, coordinates: Mapping[str, Tensor]) -> Params:
        """The coordinates after it."""
        symmetry = self.element.symmetry
        value = {self.space: self.element.values[self.space]}
        return {
            name: symmetry.act_on(name, value, x) if self.space in symmetry.reps[name].spaces else x
            for name, x in coordinates.items()
        }


@dataclass(frozen=True)
class _Swaps:
    """The discrete part of a symmetry.

    Attributes:
        symmetry: The whole.
        discrete: Permutations and signs of its spaces.
        units: How many moves each space is drawn for: its units, in every member of a family.
    """

    symmetry: Symmetry
    discrete: Symmetry
    units: Mapping[str, int]

    @classmethod
    def of(cls, symmetry: Symmetry) -> _Swaps:
        discrete = symmetry.restrict([Motion.SWAP, Motion.FLIP])
        units = {
            name: discrete.copies(name) * space.size
            for name, space in discrete.spaces.items()
            if isinstance(space.group, AbstractMonomial)
            and (space.group.flips or (space.group.swaps and space.size > 1))
        }
        return cls(symmetry, discrete, units)

    def drawn(self, generator: torch.Generator) -> _Swap:
        """A random one: spaces by their units; swap or sign with equal chances where both are."""
        counts = torch.tensor(list(self.units.values()), dtype=torch.float64)
        space = list(self.units)[int(torch.multinomial(counts, 1, generator=generator))]
        group = self.discrete.spaces[space].group
        assert isinstance(group, AbstractMonomial)
        one = self.discrete.identity()
        perm, signs = one.values[space].perm.clone(), one.values[space].signs.clone()
        rows, size = perm.view(-1, group.size), group.size
        member = int(torch.randint(len(rows), (), generator=generator))
        swaps = group.swaps and size > 1
        if swaps and not (group.flips and torch.rand((), generator=generator) < 0.5):
            i, j = torch.randperm(size, generator=generator)[:2].tolist()
            rows[member, [i, j]] = rows[member, [j, i]]
        else:
            family = int(torch.randint(group.flips, (), generator=generator))
            unit = int(torch.randint(size, (), generator=generator))
            signs.view(-1, group.flips, size)[member, family, unit] = -1.0
        value = Moves(perm, signs, one.values[space].logs)
        small = Element(self.discrete, {**one.values, space: value})
        return _Swap(self.symmetry.lift(small), space)


class _Line:
    """How far the loss rises on the line from ``a`` to what becomes of ``b``."""

    def __init__(
        self,
        options: Annealing,
        a: Mapping[str, Tensor],
        b: Mapping[str, Tensor],
        symmetry: Symmetry,
    ) -> None:
        self.options, self.symmetry, self.a = options, symmetry, dict(a)
        self.coordinates = symmetry.coordinates(b)
        # No element changes what a model computes: the ends are the same all the time.
        self.ends = tuple(self._losses(Line(a, b), (0.0, 1.0)))
        self.size = max(map(abs, self.ends)) or 1.0

    def rise(self, moved: Mapping[str, Tensor]) -> float:
        """The largest rise above the chord."""
        end = self.symmetry.parameters(moved, self.a)
        losses = self._losses(Line(self.a, end), self.options.points)
        first, last = self.ends
        chord = [(1 - t) * first + t * last for t in self.options.points]
        rises = [found - line for found, line in zip(losses, chord, strict=True)]
        return max(rises) if all(map(math.isfinite, rises)) else math.inf

    def _losses(self, path: Line, points: tuple[float, ...]) -> list[float]:
        loss = self.options.loss
        again = loss.batches if self.options.statistics else None
        return [one.loss for one in loss.along(path, points, recompute_statistics=again)]
