"""Outward: match space after space, from what is fixed inwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from isthmus.algebra.groups import Motion
from isthmus.algebra.symmetry import Symmetry
from isthmus.alignment.forms.balancing import balancing
from isthmus.alignment.matching.descent import Descent
from isthmus.alignment.matching.parities import settle_signs
from isthmus.alignment.matching.problem import Problem
from isthmus.alignment.matching.steps import best_change, best_values


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
        # First each by those before it, then by all: what a space holds may stand side by side.
        for one in (name, *inner):
            _settle(problem, one, known)
            known.add(one)
        for one in inner:
            _settle(problem, one, known)
    settle_signs(problem)
    return problem


def _settle(problem: Problem, name: str, known: set[str]) -> None:
    """Match one space by what is known."""
    if problem.inner[name]:
        value = best_values(problem, name, known)
    else:
        rows = problem.rows(name, known)
        value = best_change(problem.symmetry.spaces[name].group, rows) if rows else None
    if value is not None:
        problem.accept({name: value}, problem.propose({name: value}))


def _evidence(problem: Problem, name: str, known: set[str]) -> int:
    """How many numbers per unit speak for a match."""
    size = problem.symmetry.spaces[name].size
    seen = known.union(problem.inner[name])
    return sum(p.block.numel // size for p in problem.places[name] if p.lies_within(seen))
