"""Starts: where coordinate descent begins.

The result of a descent depends on its start. `Outward` beats the identity on independent models
(a space is matched by what is settled already, not by neighbours in arbitrary order); `Signature`
is exact for two models of one orbit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from isthmus.algebra.groups import Motion
from isthmus.algebra.symmetry import Symmetry
from isthmus.alignment.canonical import balancing
from isthmus.alignment.circuits import pair_costs
from isthmus.alignment.descent import Descent
from isthmus.alignment.parities import settle_signs
from isthmus.alignment.problem import Problem
from isthmus.alignment.signature import by_signature
from isthmus.alignment.steps import best_change, swaps


class Start(Protocol):
    """A first element for a descent."""

    def __call__(
        self,
        symmetry: Symmetry,
        a: Mapping[str, Tensor],
        b: Mapping[str, Tensor],
        generator: torch.Generator,
    ) -> Problem:
        """The problem with its first element."""
        ...


@dataclass(frozen=True)
class Identity:
    """Begin with ``b`` as it is: right for models that share their beginning."""

    def __call__(
        self,
        symmetry: Symmetry,
        a: Mapping[str, Tensor],
        b: Mapping[str, Tensor],
        generator: torch.Generator,
    ) -> Problem:
        """Nothing is moved."""
        return Problem(symmetry, a, b, symmetry.identity())


@dataclass(frozen=True)
class Random:
    """Begin with random permutations."""

    def __call__(
        self,
        symmetry: Symmetry,
        a: Mapping[str, Tensor],
        b: Mapping[str, Tensor],
        generator: torch.Generator,
    ) -> Problem:
        """Units in random order, without signs or scales."""
        swaps = symmetry.restrict([Motion.SWAP])
        return Problem(symmetry, a, b, symmetry.lift(swaps.sample(generator)))


@dataclass(frozen=True)
class Signature:
    """Begin with matched signatures of both models in their canonical gauges."""

    def __call__(
        self,
        symmetry: Symmetry,
        a: Mapping[str, Tensor],
        b: Mapping[str, Tensor],
        generator: torch.Generator,
    ) -> Problem:
        """``h_a⁻¹ p h_b`` with balancing elements h and permutations p, then all signs."""
        target, source = balancing(symmetry, a), balancing(symmetry, b)
        state = Problem(symmetry, symmetry.act_all(target, a), b, source)
        problem = Problem(symmetry, a, b, ~target @ by_signature(state) @ source)
        settle_signs(problem)
        return problem


@dataclass(frozen=True)
class Outward:
    """Match space after space, from inputs and outputs inwards, in the gauge of least norm.

    A space is matched by those places alone whose other spaces are settled; the next one is that
    with the most such evidence. Heads are matched by their circuits, then what they hold. Lengths
    are those of the gauge: half the evidence would set a scale wrong, for it sees what a unit
    reads, not what reads it. Where there are any, a descent follows without them: a sweep over
    permutations costs a tenth of one in which each pair of units has its best scale.

    Args:
        sweeps: of that descent.
    """

    sweeps: int = 20

    def __call__(
        self,
        symmetry: Symmetry,
        a: Mapping[str, Tensor],
        b: Mapping[str, Tensor],
        generator: torch.Generator,
    ) -> Problem:
        """``h_a⁻¹ r h_b`` with balancing elements h and ``r`` without scales and shears."""
        rigid = symmetry.restrict([Motion.SWAP, Motion.FLIP, Motion.TURN])
        if all(rigid.spaces[n].group == space.group for n, space in symmetry.spaces.items()):
            return _outward(Problem(symmetry, a, b, symmetry.identity()))
        target, source = balancing(symmetry, a), balancing(symmetry, b)
        one, two = symmetry.act_all(target, a), symmetry.act_all(source, b)
        found = _outward(Problem(rigid, one, two, rigid.identity()))
        Descent("", found).run(self.sweeps, tolerance=1e-3)
        return Problem(symmetry, a, b, ~target @ symmetry.lift(found.element) @ source)


def _outward(problem: Problem) -> Problem:
    left = [n for n, space in problem.symmetry.spaces.items() if not space.over]
    known: set[str] = set()
    while left:
        evidence = {n: _evidence(problem, n, known) for n in left}
        name = max(left, key=evidence.__getitem__)
        left.remove(name)
        inner = problem.inner[name]
        _settle(problem, name, known)
        known |= {name, *inner}
        for _ in range(1 + bool(inner)):
            for one in inner:
                _settle(problem, one, known)
    settle_signs(problem)
    return problem


def _settle(problem: Problem, name: str, known: set[str]) -> None:
    """Match one space by what is known."""
    space = problem.symmetry.spaces[name]
    if problem.inner[name] and Motion.SWAP in space.group.motions and not space.over:
        cost = pair_costs(problem, name, known)
        value = None if cost is None else swaps(space.group, cost)
    else:
        rows = problem.rows(name, known)
        value = best_change(space.group, rows) if rows else None
    if value is not None:
        problem.accept({name: value}, problem.propose({name: value}))


def _evidence(problem: Problem, name: str, known: set[str]) -> int:
    """How many numbers per unit speak for a match."""
    size = problem.symmetry.spaces[name].size
    seen = known.union(problem.inner[name])
    return sum(p.block.numel // size for p in problem.places[name] if p.lies_within(seen))
