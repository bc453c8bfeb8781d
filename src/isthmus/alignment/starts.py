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
from isthmus.alignment.problem import Problem
from isthmus.alignment.signature import by_signature
from isthmus.alignment.steps import best_change, gauge_step


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
    """Begin with matched signatures of both models in their canonical gauges.

    Args:
        rounds: sweeps over signs and scales, after the units are matched.
    """

    rounds: int = 6

    def __call__(
        self,
        symmetry: Symmetry,
        a: Mapping[str, Tensor],
        b: Mapping[str, Tensor],
        generator: torch.Generator,
    ) -> Problem:
        """``h_a⁻¹ p h_b`` with balancing elements h and permutations p."""
        target, source = balancing(symmetry, a), balancing(symmetry, b)
        state = Problem(symmetry, symmetry.act_all(target, a), b, source)
        problem = Problem(symmetry, a, b, ~target @ by_signature(state) @ source)
        # A signature forgets signs: they are settled here, units staying in place.
        for _ in range(self.rounds):
            gains = [gauge_step(problem, name, tolerance=0.0) for name in symmetry.spaces]
            if not any(gains):
                break
        return problem


@dataclass(frozen=True)
class Outward:
    """Match space after space, from inputs and outputs inwards.

    A space is matched by those places alone whose other spaces are settled; the next one is that
    with the most such evidence.
    """

    def __call__(
        self,
        symmetry: Symmetry,
        a: Mapping[str, Tensor],
        b: Mapping[str, Tensor],
        generator: torch.Generator,
    ) -> Problem:
        """One step per space, each at most once; lengths are left alone.

        Half the evidence would set a scale wrong: it sees what a unit reads, not what reads it.
        """
        rigid = symmetry.restrict([Motion.SWAP, Motion.FLIP, Motion.TURN])
        if all(rigid.spaces[n].group == space.group for n, space in symmetry.spaces.items()):
            return self._match(Problem(symmetry, a, b, symmetry.identity()))
        found = self._match(Problem(rigid, a, b, rigid.identity()))
        return Problem(symmetry, a, b, symmetry.lift(found.element))

    def _match(self, problem: Problem) -> Problem:
        symmetry = problem.symmetry
        left = [n for n, s in symmetry.spaces.items() if not s.over and not problem.inner[n]]
        known = {n for n in symmetry.spaces if n not in left}
        while left:
            evidence = {n: _evidence(problem, n, known) for n in left}
            name = max(left, key=evidence.__getitem__)
            left.remove(name)
            rows = problem.rows(name, known)
            known.add(name)
            if rows:
                value = best_change(symmetry.spaces[name].group, rows)
                problem.accept({name: value}, problem.propose({name: value}))
        return problem


def _evidence(problem: Problem, name: str, known: set[str]) -> int:
    """How many numbers per unit speak for a match."""
    size = problem.symmetry.spaces[name].size
    places = problem.places[name]
    return sum(p.block.numel // size for p in places if p.lies_within(known))
