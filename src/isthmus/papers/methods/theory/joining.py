"""Pairs of minima of a student: their directions at random, and what joins them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from isthmus.ground import Params
from isthmus.landscape import Line, Loss, Polygon
from isthmus.papers.methods.theory.students import on_manifold

_TS = [k / 8 for k in range(9)]


def covering(neurons: int, width: int, draws: int, generator: torch.Generator) -> Tensor:
    """``(draws, width)``: a direction for each unit, at random where all directions occur."""
    found = torch.empty(0, width, dtype=torch.int64)
    while len(found) < draws:
        tried = torch.randint(neurons, (draws, width), generator=generator)
        found = torch.cat([found, tried[one_hot(tried, neurons).amax(1).bool().all(1)]])
    return found[:draws]


def centred(directions: Tensor, neurons: int) -> float:
    """The share of sets, ``(minima, draws, width)``, that one minimum is joined to by lines.

    For every direction it needs a unit that has it in all of them.
    """
    alike = (directions == directions[0]).all(0).unsqueeze(2)
    covered = (one_hot(directions[0], neurons).bool() & alike).any(1)
    return float(covered.all(1).double().mean())


class Judge:
    """Builds minima and paths between them, and keeps the largest losses.

    Attributes:
        worst: At minima, on lines, on two pieces, on four.
        least: The least of the largest losses on other lines.
        joined: How many pairs four pieces join.
    """

    def __init__(self, neurons: int, inputs: int, seen: Loss, generator: torch.Generator) -> None:
        self.neurons, self.inputs, self.seen, self.generator = neurons, inputs, seen, generator
        self.worst, self.least, self.joined = [0.0] * 4, 1.0, 0

    def compare(self, first: Tensor, second: Tensor) -> None:
        """Look at two minima with these directions, and at all that joins them."""
        every = torch.ones_like(first, dtype=torch.bool)
        a, b = self._minimum(first, every), self._minimum(second, every)
        self._keep(0, [self.seen(a), self.seen(b)])
        on_line = self._highest(Line(a, b))
        if bool((first == second).all()):
            self._keep(1, [on_line])
        else:
            self.least = min(self.least, on_line)
        if self._covers(first, first == second):
            middle = self._minimum(first, first == second)
            self._keep(1, [self._highest(Line(a, middle)), self._highest(Line(middle, b))])
            self._keep(2, [self._highest(Polygon([a, middle, b]))])
        centre = _spare(first, second, self.neurons)
        if centre is not None:
            self.joined += 1
            self._keep(3, [self._highest(Polygon([a, *self._around(first, second, centre), b]))])

    def _around(self, first: Tensor, second: Tensor, centre: Sequence[int]) -> list[Params]:
        """Three minima: what the first keeps beside the centre, the centre, and of the second."""
        units = torch.tensor(centre)
        taken = torch.zeros_like(first)
        taken[units] = torch.arange(len(centre))
        busy = torch.zeros_like(first, dtype=torch.bool)
        busy[units] = True
        beside = [self._minimum(one, ~busy | (one == taken)) for one in (first, second)]
        return [beside[0], self._minimum(taken, busy), beside[1]]

    def _minimum(self, directions: Tensor, live: Tensor) -> Params:
        """A random minimum of which only some units are not zero."""
        drawn = torch.rand(len(directions), generator=self.generator).double() + 0.1
        weights = torch.where(live, drawn, 0.0)
        sums = one_hot(directions, self.neurons).double().mT @ weights
        return on_manifold(directions, weights / sums[directions], self.inputs)

    def _covers(self, directions: Tensor, live: Tensor) -> bool:
        return len(set(directions[live].tolist())) == self.neurons

    def _highest(self, path: Line | Polygon) -> float:
        return max(one.loss for one in self.seen.along(path, _TS))

    def _keep(self, which: int, losses: Sequence[float]) -> None:
        self.worst[which] = max(self.worst[which], *losses)


def _spare(first: Tensor, second: Tensor, neurons: int) -> tuple[int, ...] | None:
    """Units, one for each direction, beside which both minima still have all directions.

    A unit that is taken for a direction counts in a minimum only where it has that direction
    there. None where there are none.
    """
    sides = [one.tolist() for one in (first, second)]
    for chosen in itertools.permutations(range(len(first)), neurons):
        if all(_left(side, chosen, neurons) for side in sides):
            return chosen
    return None


def _left(side: Sequence[int], chosen: Sequence[int], neurons: int) -> bool:
    taken = set(chosen)
    held = {k for i, k in enumerate(side) if i not in taken}
    held |= {k for k, i in enumerate(chosen) if side[i] == k}
    return len(held) == neurons
