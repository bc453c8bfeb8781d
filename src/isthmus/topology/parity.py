"""Assignments of a wanted parity: the cheapest permutation that is even, or odd."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from isthmus.ground import BadInput
from isthmus.ground.assignment import assignment

LIMIT = 2000
"""So many assignments are looked at, at most, before the best swap is taken."""


@final
@dataclass(frozen=True)
class ParityAssignment:
    """A permutation of a wanted sign.

    Attributes:
        permutation: ``Σ_i cost[i, permutation[i]]`` is its cost.
        cost: That sum.
        floor: No permutation of that sign costs less; equal to the cost where it is proved best.
    """

    permutation: Tensor
    cost: float
    floor: float


def sign_of(permutation: Tensor | Sequence[int]) -> int:
    """+1 for an even permutation, -1 for an odd one."""
    rest, sign = [int(k) for k in permutation], 1
    for k in range(len(rest)):
        while rest[k] != k:
            other = rest[k]
            rest[k], rest[other] = rest[other], rest[k]
            sign = -sign
    return sign


def parity_assignment(cost: Tensor, sign: int, limit: int = LIMIT) -> ParityAssignment:
    """The permutation of that sign of least ``Σ_i cost[i, perm i]``.

    All permutations are listed by rising cost (Murty 1968) until one has the sign. The best one
    with two units swapped is a bound: where the listing passes it, or takes too long, it is the
    answer, with what has been listed as the floor.

    Args:
        cost: ``(n, n)``, finite.
        sign: +1 or -1.
        limit: How many permutations are listed at most.

    Raises:
        BadInput: n is 1 or less and the sign is -1: there is no such permutation.
    """
    if len(cost) < 2 and sign < 0:
        raise BadInput(
            f"no odd permutation of {len(cost)} units", "flip the sign of the unit instead"
        )
    swapped: tuple[float, Tensor] | None = None
    value = 0.0
    for value, perm in itertools.islice(_rising(cost), limit):
        if sign_of(perm) == sign:
            return ParityAssignment(perm, value, value)
        swapped = swapped or _swapped(cost, perm)
        if value >= swapped[0]:
            break
    assert swapped is not None
    return ParityAssignment(swapped[1], swapped[0], min(value, swapped[0]))


def _swapped(cost: Tensor, perm: Tensor) -> tuple[float, Tensor]:
    """The cheapest permutation that is one swap away."""
    chosen = cost[:, perm]  # [i, j]: row i given the column of j
    own = chosen.diagonal()
    rise = chosen + chosen.mT - own - own.unsqueeze(1)
    rise.fill_diagonal_(torch.inf)
    i, j = divmod(int(rise.argmin()), len(cost))
    other = perm.clone()
    other[[i, j]] = perm[[j, i]]
    return _total(cost, other), other


def _rising(cost: Tensor) -> Iterator[tuple[float, Tensor]]:
    """All permutations by rising cost: each set of those left is split at its best."""
    tie = itertools.count()
    first = assignment(cost)
    heap = [(_total(cost, first), next(tie), first, cost, 0)]
    while heap:
        value, _, perm, allowed, fixed = heapq.heappop(heap)
        yield value, perm
        for row in range(fixed, len(cost) - 1):
            # As perm in all rows before this one, and another column in this one.
            barred = allowed.clone()
            barred[row, perm[row]] = torch.inf
            if bool(barred[row].isfinite().any()):
                best = _best(barred)
                if best is not None:
                    heapq.heappush(heap, (_total(cost, best), next(tie), best, barred, row))
            column = allowed[row, perm[row]].clone()
            allowed = allowed.clone()
            allowed[row] = allowed[:, perm[row]] = torch.inf
            allowed[row, perm[row]] = column


def _best(allowed: Tensor) -> Tensor | None:
    """The best assignment that uses no barred pair; None where there is none."""
    large = allowed[allowed.isfinite()].abs().sum() * 2 + 1
    found = assignment(allowed.where(allowed.isfinite(), large))
    rows = torch.arange(len(allowed))
    return found if bool(allowed[rows, found].isfinite().all()) else None


def _total(cost: Tensor, perm: Tensor) -> float:
    return float(cost[torch.arange(len(cost)), perm].sum())
