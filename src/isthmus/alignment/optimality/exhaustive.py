"""Exhaustive: the best element of a small finite group, proved by looking at all of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from isthmus.algebra.elements import Element
from isthmus.algebra.groups import AbstractMonomial, Moves, Value
from isthmus.algebra.symmetry import Symmetry
from isthmus.alignment.matcher import Match
from isthmus.alignment.matching.problem import Occurrence, Problem, widened
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
        whole_a, whole_b = (_double(widened(symmetry, params)) for params in (a, b))
        core = symmetry.essential
        names = [n for n in whole_a if n in core.reps]
        one, two = ({n: whole[n] for n in names} for whole in (whole_a, whole_b))
        state = Problem(core, one, two, core.identity())
        acting = [n for n, found in state.places.items() if found and core.spaces[n].group.motions]
        last = self._check(state, acting)
        best, value = math.inf, state.element
        for others in _elements(core, [name for name in acting if name != last]):
            state.moved = core.act_all(others, two)
            objective, change = (state.objective, None) if last is None else _finished(state, last)
            if objective < best:
                step = {} if last is None else {last: change}
                moved = Element(core, {**core.identity().values, **step})
                best, value = objective, moved @ others
        found = {**value.values, **symmetry.settling(whole_a, whole_b)}
        distance = math.sqrt(max(best, 0.0))
        evidence = {
            "start": "Exhaustive",
            "starts": ["Exhaustive"],
            "distances": [distance],
            "objective": [best],
            "log_elements": core.log_components,
        }
        claim = "no element of the group brings the models nearer: all were tried"
        element = Element(symmetry, {n: found[n] for n in symmetry.spaces})
        return Match(element, evidence, claim, Verdict.PROVED)

    def _check(self, state: Problem, acting: list[str]) -> str | None:
        """The space to be solved by assignment; raises where there is too much to try."""
        spaces = state.symmetry.spaces
        for name in acting:
            group = spaces[name].group
            if not isinstance(group, AbstractMonomial) or group.scales:
                raise BadInput(
                    f"cannot try all elements: the space {name} has {group}, which is not finite",
                    "restrict the symmetry first, as symmetry.restrict(SignedPermutation)",
                )
        logs = {n: state.symmetry.copies(n) * spaces[n].group.log_components for n in acting}
        linear = [n for n in acting if n not in state.quadratic and not state.inner[n]]
        last = max(linear, key=logs.__getitem__, default=None)
        total = sum(log for name, log in logs.items() if name != last)
        if total > math.log(self.limit) + 1e-9:
            count = f"e^{total:.1f}" if total > 30 else f"{math.exp(total):,.0f}"
            raise BadInput(
                f"{count} elements to try, and the limit is {self.limit:,}",
                "raise Exhaustive(limit=...), or use WeightMatching",
            )
        return last


def _double(params: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.double() for name, tensor in params.items()}


def _elements(symmetry: Symmetry, names: list[str]) -> Iterator[Element]:
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
