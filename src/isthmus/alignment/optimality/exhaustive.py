"""Exhaustive: the best element of a small finite group, proved by looking at all of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from isthmus.algebra.elements import Element
from isthmus.algebra.groups import AbstractMonomial, Moves, Value
from isthmus.algebra.symmetry import Symmetry
from isthmus.alignment.matcher import Match
from isthmus.alignment.matching.meeting import Meeting
from isthmus.alignment.matching.problem import Occurrence, Problem
from isthmus.alignment.optimality.costs import Costs, costs_of
from isthmus.ground.assignment import assignment
from isthmus.ground.certificates import Verdict
from isthmus.ground.errors import BadInput


@dataclass(frozen=True)
class Exhaustive:
    """Try every permutation and sign of all spaces but one; solve that one by assignment.

    Args:
        limit: the most elements of the other spaces that are tried.

    Raises:
        BadInput: on a call: the group that acts on essential parameters is continuous, or there
            are more elements than the limit.
    """

    limit: int = 50_000

    def __call__(
        self,
        a: Mapping[str, Tensor],
        b: Mapping[str, Tensor],
        symmetry: Symmetry,
        generator: torch.Generator,
    ) -> Match:
        """The element of the least distance; no other is nearer."""
        meeting = Meeting.of(a, b, symmetry, exact=True)
        every = Enumeration.of(meeting.problem(symmetry.identity()))
        if not every.fits(self.limit):
            count = f"e^{every.log_count:.1f}" if every.log_count > 30 else f"{every.count:,}"
            raise BadInput(
                f"{count} elements to try, and the limit is {self.limit:,}",
                "raise Exhaustive(limit=...), or use WeightMatching",
            )
        least, element = every.best()
        squared = least + meeting.rest
        evidence = {
            "start": "Exhaustive",
            "starts": ["Exhaustive"],
            "distances": [math.sqrt(squared)],
            "objective": [squared],
            "tried": every.count,
        }
        claim = "no element of the group brings the models nearer: all were tried"
        return Match(meeting.whole(element), evidence, claim, Verdict.PROVED)


@dataclass(frozen=True)
class Enumeration:
    """All elements of a finite group, but for one space, which an assignment settles.

    Attributes:
        state: the problem at the identity, in float64.
        spaces: those of which all values are tried.
        solved: the one that is settled; None where every space has to be tried.
        log_count: the natural logarithm of how many elements are tried.
    """

    state: Problem
    spaces: tuple[str, ...]
    solved: str | None
    log_count: float

    @classmethod
    def of(cls, state: Problem) -> Enumeration:
        """The cheapest one.

        Raises:
            BadInput: the group is not finite.
        """
        symmetry = state.symmetry
        spaces = symmetry.spaces
        acting = [n for n, found in state.places.items() if found and spaces[n].group.motions]
        for name in acting:
            group = spaces[name].group
            if not isinstance(group, AbstractMonomial) or group.scales:
                raise BadInput(
                    f"cannot try all elements: the space {name} has {group}, which is not finite",
                    "restrict the symmetry first, as symmetry.restrict(SignedPermutation)",
                )
        logs = {n: symmetry.copies(n) * spaces[n].group.log_components for n in acting}
        linear = [n for n in acting if n not in state.quadratic and not state.inner[n]]
        solved = max(linear, key=logs.__getitem__, default=None)
        tried = tuple(name for name in acting if name != solved)
        return cls(state, tried, solved, sum(logs[name] for name in tried))

    def fits(self, limit: int) -> bool:
        """Whether no more than so many elements are to be tried."""
        return self.log_count <= math.log(max(limit, 1)) + 1e-9

    @property
    def count(self) -> int:
        """How many elements are tried."""
        return round(math.exp(self.log_count))

    def best(self) -> tuple[float, Element]:
        """The least squared distance, and an element that has it."""
        symmetry, state = self.state.symmetry, self.state.fork()
        least, value = math.inf, symmetry.identity()
        for others in _elements(symmetry, self.spaces):
            state.put(others)
            if self.solved is None:
                objective, step = state.objective, {}
            else:
                objective, change = _finished(state, self.solved)
                step = {self.solved: change}
            if objective < least:
                moved = Element(symmetry, {**symmetry.identity().values, **step})
                least, value = objective, moved @ others
        return max(least, 0.0), value


def _elements(symmetry: Symmetry, names: Sequence[str]) -> Iterator[Element]:
    """All elements that move only the named spaces."""
    one = symmetry.identity().values
    choices = [list(_values(symmetry, name)) for name in names]
    for values in itertools.product(*choices):
        yield Element(symmetry, {**one, **dict(zip(names, values, strict=True))})


def _values(symmetry: Symmetry, name: str) -> Iterator[Moves]:
    """All values of one space: a permutation and signs for each value of what indexes it."""
    group, batch = symmetry.spaces[name].group, symmetry.batch(name)
    assert isinstance(group, AbstractMonomial)
    one, copies = group.identity(batch), symmetry.copies(name)
    orders = list(itertools.permutations(range(group.size))) if group.swaps else [one.perm[0]]
    perms = [torch.tensor(p) if group.swaps else torch.arange(group.size) for p in orders]
    flips = list(itertools.product((1.0, -1.0), repeat=group.flips * group.size))
    for chosen in itertools.product(perms, repeat=copies):
        perm = torch.stack(chosen).reshape(one.perm.shape)
        for signs in itertools.product(flips, repeat=copies):
            yield Moves(perm, torch.tensor(signs).double().reshape(one.signs.shape), one.logs)


def _finished(state: Problem, name: str) -> tuple[float, Value]:
    """The squared distance after the best change of one space, and that change, in float64."""
    group, batch = state.symmetry.spaces[name].group, state.symmetry.batch(name)
    assert isinstance(group, AbstractMonomial)
    places: list[Occurrence] = state.places[name]
    costs = costs_of(state, places, {name})
    least, one = costs.least(), group.identity(batch)
    perm = one.perm.reshape(-1, group.size).clone()
    if costs.crossed:
        perm = assignment(least)
    column = perm if costs.crossed else torch.zeros_like(perm)
    chosen = (torch.arange(len(perm)).unsqueeze(1), torch.arange(group.size), column)
    signs = _signs(costs, chosen, group.flips).reshape(one.signs.shape)
    total = float(least[chosen].sum()) + _elsewhere(state, name)
    return total, Moves(perm.reshape(one.perm.shape), signs, one.logs)


def _signs(costs: Costs, chosen: tuple[Tensor, ...], flips: int) -> Tensor:
    """The best signs of chosen pairs, ``(batch, flips, n)``."""
    batch, n = chosen[2].shape
    best = torch.full((batch, n), math.inf, dtype=torch.float64)
    signs = torch.ones(batch, flips, n, dtype=torch.float64)
    for choice in itertools.product((0.0, 1.0), repeat=flips):
        negative = torch.tensor(choice, dtype=torch.float64)
        pattern = (costs.odd @ negative % 2).int().tolist()
        cost = (costs.source - 2 * costs.cross(pattern)).sum(0)[chosen]
        signs = torch.where((cost < best).unsqueeze(1), 1 - 2 * negative.unsqueeze(-1), signs)
        best = torch.minimum(best, cost)
    return signs


def _elsewhere(state: Problem, name: str) -> float:
    """The squared distance of the blocks in which a space is not."""
    acted = {(place.name, id(place.block)) for place in state.places[name]}
    total = 0.0
    for parameter in state.a:
        for block in state.symmetry.reps[parameter].blocks:
            if (parameter, id(block)) not in acted:
                a, b = block.read(state.target[parameter]), block.read(state.moved[parameter])
                total += float((a - b).square().sum())
    return total
