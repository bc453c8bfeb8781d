"""Duals: numbers u and v that prove how little an assignment can cost.

If ``u_i + v_j ≤ cost_ij`` for all pairs, no assignment costs less than ``Σu + Σv``. At an optimal
assignment p shortest paths give v for which that is exact: ``v_j - v_p(i) ≤ cost_ij - cost_ip(i)``
has a solution just where no cycle of exchanges gains (complementary slackness; Jonker and Volgenant
1987). Whatever v is, ``u_i = min_j cost_ij - v_j`` is feasible: what rounds makes a bound looser,
not wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from isthmus.alignment.matching import pairs
from isthmus.alignment.optimality.costs import Costs
from isthmus.alignment.optimality.floors import PRECISION, floor
from isthmus.ground.assignment import assignment

Duals = tuple[Tensor, Tensor]


def dual_bound(costs: Costs | Tensor, u: Tensor, v: Tensor) -> tuple[float, float]:
    """What given duals prove: their sum less what they are infeasible by, and the most of that.

    Args:
        costs: of the pairs; a tensor ``(batch, n, m)`` where nothing else is to be chosen.
        u: of the target units, ``(batch, n)``.
        v: of the moved units, ``(batch, m)``; one zero where units stay in place.
    """
    level = u.unsqueeze(-1) + v.unsqueeze(-2)
    least = floor(costs, level) if isinstance(costs, Costs) else torch.minimum(costs, level)
    excess = (level - least).amax(-1)
    return float((u - excess).sum() + v.sum()), float(excess.max())


def fitting(duals: Duals, shape: Sequence[int]) -> Duals:
    """Duals of costs of a shape; zeros, which prove nothing, in place of others."""
    u, v = duals
    batch, n, m = shape
    fits = u.shape == (batch, n) and v.shape == (batch, m)
    fits = fits and bool(torch.isfinite(u).all() and torch.isfinite(v).all())
    return (u, v) if fits else (u.new_zeros(batch, n), u.new_zeros(batch, m))


def solve(costs: Costs | Tensor, rounds: int = 3) -> Duals:
    """Duals of the best assignment; the scales of pairs are searched, then certified."""
    if isinstance(costs, Tensor) or not costs.powers.shape[1]:
        cost = costs if isinstance(costs, Tensor) else costs.least()
        v = torch.stack([_potentials(one) for one in cost])
        return (cost - v.unsqueeze(-2)).amin(-1), v
    cost, margin = _searched(costs), 2 * PRECISION * costs.target
    for _ in range(rounds):
        v = torch.stack([_potentials(one) for one in cost])
        u = (cost - v.unsqueeze(-2) - margin).amin(-1)
        level = u.unsqueeze(-1) + v.unsqueeze(-2)
        proved = floor(costs, level)
        wrong = proved < level
        if not bool(wrong.any()):
            break
        # A local minimum was taken for the best scale of these pairs: their true cost is lower.
        cost = torch.where(wrong, proved + margin, cost)
    return u, v


def _potentials(cost: Tensor) -> Tensor:
    """Duals of the columns, by Bellman's iteration on the exchanges of an optimal assignment."""
    n, m = cost.shape
    if m == 1:
        return cost.new_zeros(1)
    moved = cost[assignment(cost).argsort()]
    exchange = moved - moved.diagonal().unsqueeze(1)
    v = cost.new_zeros(n)
    changed = torch.arange(n)
    for _ in range(n):
        better = torch.minimum(v, (v[changed].unsqueeze(1) + exchange[changed]).amin(0))
        changed = (better < v).nonzero().squeeze(1)
        v = better
        if not len(changed):
            break
    return v


def _searched(costs: Costs) -> Tensor:
    """The cost of each pair at the best scales that Newton steps find."""
    total = costs.still
    for part in costs.parts:
        source = costs.source[part.rows].unsqueeze(1)
        target, none = costs.target / len(part.rows), part.powers[:, :0]
        target = target.expand(len(part.rows), 1, *target.shape)
        of = pairs.Classes(costs.crosses(part), source, target, part.powers, none)
        y = of.factor(*pairs.fit(of, rounds=8, steps=12))
        total = total + (y.square() * source - 2 * y * of.cross).sum(0)[part.which]
    return total.amin(0)
