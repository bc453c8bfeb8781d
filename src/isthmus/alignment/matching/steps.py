"""One step of coordinate descent: the best change of one space, the others held."""

from __future__ import annotations

from collections.abc import Set

import torch
from torch import Tensor

from isthmus.algebra.groups import (
    AbstractMonomial,
    AbstractRotation,
    Character,
    GeneralLinear,
    Group,
    Motion,
    Moves,
    Value,
)
from isthmus.alignment.matching import pairs
from isthmus.alignment.matching.circuits import circuits
from isthmus.alignment.matching.linear import best_linear
from isthmus.alignment.matching.problem import Problem
from isthmus.ground.assignment import assignment

Rows = list[tuple[Character, Tensor, Tensor]]


def best_change(group: Group, rows: Rows) -> Value:
    """The element that best carries the moved rows to the target rows.

    Rows are ``(*batch, n, features)``; the value is batched alike.
    """
    if isinstance(group, AbstractMonomial):
        return _monomial(group, rows)
    if isinstance(group, AbstractRotation):
        # Procrustes: the nearest rotation to the summed overlaps.
        overlaps = [a.double() @ b.double().mT for _, a, b in rows]
        return group.nearest(torch.stack(overlaps).sum(0))
    if isinstance(group, GeneralLinear):
        return best_linear(rows)
    raise TypeError(f"no matching step for {group}")


def _monomial(group: AbstractMonomial, rows: Rows) -> Moves:
    """Joint assignment: the cost of a pair is that at its best scale and sign."""
    batch = rows[0][1].shape[:-2]
    if group.swaps and not group.flips and not group.scales:
        return _permutation(group, rows)
    families = (group.scales, group.flips)
    perm = torch.arange(group.size).expand(*batch, group.size)
    if group.swaps:
        perm = _paired(pairs.classes(rows, families))
    return _fitted(perm, pairs.diagonal(rows, families, perm))


def best_values(problem: Problem, space: str, known: Set[str] | None = None) -> Moves | None:
    """The values of an outer space that bring its circuits together; None where it has none.

    Values are matched as units are, each pair at its best sign and scale: a sign of a channel
    group shows in circuits that feel it, whatever the order of its channels.
    """
    of = circuits(problem, space, known)
    if of is None:
        return None
    group = problem.symmetry.spaces[space].group
    perm = torch.arange(group.size).expand(of.cross.shape[1:-1])
    if Motion.SWAP in group.motions:
        perm = _paired(of)
    return _fitted(perm, of.at(perm))


def _paired(of: pairs.Classes) -> Tensor:
    """The assignment of least cost, every pair at its best."""
    rounds = 2 if of.scales.shape[1] + of.flips.shape[1] <= 2 else 1
    costs = [some.cost(*pairs.fit(some, rounds, steps=4)) for some in of.blocks()]
    return assignment(torch.cat(costs, -2))


def _fitted(perm: Tensor, chosen: pairs.Classes) -> Moves:
    """Chosen pairs at their best signs and scales."""
    signs, logs = pairs.fit(chosen, rounds=20, steps=20)
    lead = perm.dim() - 1
    return Moves(perm, signs.movedim(0, lead).double(), logs.movedim(0, lead).double())


def _permutation(group: AbstractMonomial, rows: Rows) -> Moves:
    """Assignment on the summed overlaps."""
    (_, a, b), *others = rows
    cross = a @ b.mT
    for _, a, b in others:
        # Added in place where there is no batch: at width 512 a sum costs what a product costs.
        cross = torch.addmm(cross, a, b.mT) if cross.dim() == 2 else cross + a @ b.mT
    one = group.identity(cross.shape[:-2])
    return Moves(assignment(cross, maximise=True), one.signs, one.logs)


def step(problem: Problem, space: str, tolerance: float) -> float:
    """Improve one space (and, with it, the spaces it indexes); returns the gain."""
    group = problem.symmetry.spaces[space].group
    gain = outer_step(problem, space, tolerance) if problem.inner[space] else 0.0
    rows = problem.rows(space)
    if not rows:
        return gain
    change = best_change(group, rows)
    if _idle(group, change):
        return gain
    return gain + problem.try_change({space: change}, tolerance)


def _idle(group: Group, change: Value) -> bool:
    """A change of nothing, found without touching parameters."""
    if not isinstance(group, AbstractMonomial) or bool(change.logs.any()):
        return False
    still = torch.arange(group.size).expand_as(change.perm)
    return torch.equal(change.perm, still) and not bool((change.signs < 0).any())


def outer_step(problem: Problem, space: str, tolerance: float) -> float:
    """Move the values of an outer space by their circuits, then fit what they hold."""
    value = best_values(problem, space)
    if value is None or _idle(problem.symmetry.spaces[space].group, value):
        return 0.0
    change, tried = {space: value}, problem.fork()
    tried.accept(change, tried.propose(change))
    settle_inside(tried, space)
    gain = problem.objective - tried.objective
    if gain <= tolerance:
        return 0.0
    problem.adopt(tried)
    return gain


def swaps(group: Group, cost: Tensor) -> Moves:
    """The permutation of least cost, without signs or scales."""
    one = group.identity(())
    return Moves(assignment(cost), one.signs, one.logs)


def settle_inside(problem: Problem, space: str, rounds: int = 3) -> None:
    """Fit the spaces that an outer one indexes, each value at its new partner."""
    # Turns before lengths: a length that is fitted across a wrong turn is far too small.
    inner = list(reversed(problem.inner[space]))
    for _ in range(rounds):
        if sum(step(problem, name, 0.0) for name in inner) == 0.0:
            return
