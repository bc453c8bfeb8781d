"""Duals: what a plan cannot be better than, and proof of it."""

from __future__ import annotations

import torch
from torch import Tensor


def potentials(cost: Tensor, mass: Tensor) -> Tensor:
    """Duals ``v (m,)`` of the columns, for which `least` of an optimal plan is its own cost.

    Where the plan uses (i, k), mass may change from k to j at a price of ``c_ij - c_ik``; v is the
    price of the cheapest chain of such changes (Bellman's iteration). It settles just where no
    cycle gains, which is where the plan is optimal (complementary slackness).

    Args:
        cost: of the pairs, ``(n, m)``.
        mass: a plan, ``(n, m)``.
    """
    rows, columns = (mass > 0).nonzero(as_tuple=True)
    m = cost.shape[1]
    change = torch.full((m, m), torch.inf, dtype=cost.dtype)
    prices = cost[rows] - cost[rows, columns].unsqueeze(1)
    change.scatter_reduce_(0, columns.unsqueeze(1).expand(-1, m), prices, "amin")
    v = cost.new_zeros(m)
    changed = torch.arange(m)
    for _ in range(m):
        better = torch.minimum(v, (v[changed].unsqueeze(1) + change[changed]).amin(0))
        changed = (better < v).nonzero().squeeze(1)
        v = better
        if not len(changed):
            break
    return v


def least(cost: Tensor, one: Tensor, other: Tensor, v: Tensor) -> float:
    """What every plan costs at least: ``Σ a_i u_i + Σ b_j v_j`` with ``u_i = min_j c_ij - v_j``.

    True of any v whatever (Kantorovich duality): ``u_i + v_j ≤ c_ij``.
    """
    return float(one @ (cost - v).amin(1) + other @ v)
