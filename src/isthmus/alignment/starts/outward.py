"""Outward: match space after space, from what is fixed inwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from isthmus.algebra.groups import AbstractMonomial, GeneralLinear, Motion
from isthmus.algebra.spaces import Space
from isthmus.algebra.symmetry import Symmetry
from isthmus.alignment.forms.balancing import balancing
from isthmus.alignment.matching.circuits import paired, pairings
from isthmus.alignment.matching.descent import Descent
from isthmus.alignment.matching.glimpses import glimpsed, glimpses
from isthmus.alignment.matching.linear import balanceable
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
        """``h_a⁻¹ r h_b`` with balancing elements h and ``r`` without scales and settled shears."""
        rigid = symmetry.restrict([Motion.SWAP, Motion.FLIP, Motion.TURN])
        if all(rigid.spaces[n].group == space.group for n, space in symmetry.spaces.items()):
            return _outward(Problem(symmetry, a, b, symmetry.identity()))
        target, source = balancing(symmetry, a), balancing(symmetry, b)
        one, two = symmetry.act_all(target, a), symmetry.act_all(source, b)
        left = _loose(Problem(symmetry, one, two, symmetry.identity()))
        rigid = replace(rigid, spaces={**rigid.spaces, **left})
        found = _outward(Problem(rigid, one, two, rigid.identity()))
        Descent("", found).run(self.sweeps, tolerance=1e-3)
        return Problem(symmetry, a, b, ~target @ symmetry.lift(found.element) @ source)


def _loose(problem: Problem) -> dict[str, Space]:
    """Spaces with shears that no gauge settles: too little reads or writes them, they keep all."""
    return {
        name: space
        for name, space in problem.symmetry.spaces.items()
        if isinstance(space.group, GeneralLinear)
        and problem.places[name]
        and not balanceable(problem.rows(name))
    }


def _outward(problem: Problem) -> Problem:
    spaces, known = problem.symmetry.spaces, set[str]()
    left = list(spaces)
    while left:
        name = _next(problem, left, known)
        left.remove(name)
        _settle(problem, name, known)
        known.add(name)
        beside = dict.fromkeys(n for outer in spaces[name].over for n in problem.inner[outer])
        if known.issuperset(beside):
            for again in beside:
                _settle(problem, again, known)
    settle_signs(problem)
    return problem


def _next(problem: Problem, left: list[str], known: set[str]) -> str:
    """What an outer space holds follows at once; else, the space of which most is known.

    Glimpses count only where nothing else settles any space.
    """
    spaces, seen = problem.symmetry.spaces, dict[str, int]()
    ready = [n for n in left if known.issuperset(spaces[n].over)]
    for through in (False, True):
        seen = {n: _evidence(problem, n, known, through) for n in ready}
        sound = [n for n in ready if not _short(spaces[n], seen[n])]
        if sound:
            held = [n for n in sound if spaces[n].over]
            return held[0] if held else max(sound, key=seen.__getitem__)
    return max(ready, key=seen.__getitem__)


def _short(space: Space, evidence: int) -> bool:
    """Whether so many numbers leave something open.

    Two may tell units apart; a rotation or a shear wants as many as it has axes.
    """
    return evidence < (2 if isinstance(space.group, AbstractMonomial) else space.size)


def _settle(problem: Problem, name: str, known: set[str]) -> None:
    """Match one space by what is known."""
    space = problem.symmetry.spaces[name]
    if problem.inner[name]:
        value = best_values(problem, name, known)
    else:
        rows = problem.rows(name, known)
        if _short(space, _counted(space, [(c.dual, a.shape[-1]) for c, a, _ in rows])):
            rows += [one.rows(problem) for one in glimpses(problem, name, known)]
        value = best_change(space.group, rows) if rows else None
    if value is not None:
        problem.accept({name: value}, problem.propose({name: value}))


def _evidence(problem: Problem, name: str, known: set[str], through: bool) -> int:
    """How many numbers per unit speak for a match; those of glimpses too, if ``through``."""
    space, inner = problem.symmetry.spaces[name], problem.inner[name]
    if inner:
        places = paired(pairings(problem, name, known))
    else:
        places = [p for p in problem.places[name] if p.lies_within(known)]
    numbers = [(p.character.dual, p.block.numel) for p in places]
    if through and not inner:
        shown = glimpsed(glimpses(problem, name, known))
        numbers += [(near.character.dual, n) for near, n in shown.items()]
    return _counted(space, numbers) // (space.size * problem.symmetry.copies(name))


def _counted(space: Space, numbers: Sequence[tuple[bool, int]]) -> int:
    """Numbers of plain and of dual places together; for a shear, of one side: that must do."""
    sides = [sum(n for dual, n in numbers if dual == side) for side in (False, True)]
    return max(sides) if isinstance(space.group, GeneralLinear) else sum(sides)
