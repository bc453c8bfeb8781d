"""One step of coordinate descent: the best change of one space, the others held."""

from __future__ import annotations

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
from isthmus.alignment.matching.circuits import pair_costs
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
    of = pairs.classes(rows, (group.scales, group.flips))
    perm = torch.arange(group.size).expand(*batch, group.size)
    if group.swaps:
        cost = of.cost(*pairs.fit(of, rounds=2 if group.scales + group.flips <= 2 else 1, steps=4))
        perm = assignment(cost)
    chosen = pairs.diagonal(rows, (group.scales, group.flips), perm)
    signs, logs = pairs.fit(chosen, rounds=20, steps=20)
    lead = len(batch)
    return Moves(perm, signs.movedim(0, lead), logs.movedim(0, lead))


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
    if problem.inner[space] and Motion.SWAP in group.motions:
        return outer_step(problem, space, tolerance)
    rows = problem.rows(space)
    if not rows:
        return 0.0
    change = best_change(group, rows)
    if _idle(group, change):
        return 0.0
    return problem.try_change({space: change}, tolerance)


def _idle(group: Group, change: Value) -> bool:
    """A change of nothing, found without touching parameters."""
    if not isinstance(group, AbstractMonomial) or bool(change.logs.any()):
        return False
    still = torch.arange(group.size).expand_as(change.perm)
    return torch.equal(change.perm, still) and not bool((change.signs < 0).any())


def outer_step(problem: Problem, space: str, tolerance: float) -> float:
    """Permute the values of an outer space by their circuits, then fit what they hold."""
    if problem.symmetry.spaces[space].over:
        return 0.0
    cost = pair_costs(problem, space)
    if cost is None:
        return 0.0
    group = problem.symmetry.spaces[space].group
    change = {space: swaps(group, cost)}
    if _idle(group, change[space]):
        return 0.0
    tried = problem.fork()
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
