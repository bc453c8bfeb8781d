"""Assignment: the permutation of least, or largest, sum of entries; every one goes through here.

Exact always. Where the best entries of all rows lie in different columns they are the answer, which
costs one pass over the matrix: two models that match are told apart from all others in that time.
Else the shortest augmenting paths of Jonker and Volgenant 1987, by scipy (after Crouse 2016), or by
the optional lapx. Of its solvers the one that keeps potentials and distances in float64 is used:
those that keep them in float32 miss the optimum by more than rounding. It reads a float32 matrix as
it is, of which scipy makes a float64 copy.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from isthmus.ground.errors import NotFinite

Costs = NDArray[np.floating]
Columns = NDArray[np.integer]

REMEDY = "look for weights so large that their products overflow"

WIDE = 64
"""The least size at which lapx is used: for smaller ones both take some microseconds."""


def assignment(cost: Tensor, *, maximise: bool = False) -> Tensor:
    """The permutations of least ``Σ_i cost[i, perm i]``, or of the largest.

    Args:
        cost: ``(*batch, n, n)``, of real numbers.
        maximise: look for the largest sum.

    Returns:
        ``(*batch, n)``, int64. Which one, where several are best, depends on the solver.

    Raises:
        NotFinite: an entry is NaN, or infinite of the sign that would always be chosen.
    """
    flat = cost.detach().reshape(-1, *cost.shape[-2:]).numpy()
    found = [torch.as_tensor(_solve(one, maximise)) for one in flat]
    return torch.stack(found).reshape(cost.shape[:-1])


def _solve(cost: Costs, maximise: bool) -> Columns:
    columns: Columns = cost.argmax(1) if maximise else cost.argmin(1)
    # NaN counts as the best entry of its row.
    if not np.isfinite(cost[np.arange(len(cost)), columns]).all():
        raise NotFinite("an entry of the matrix to be assigned is NaN or infinite", REMEDY)
    if np.bincount(columns, minlength=len(cost)).max(initial=0) <= 1:
        return columns
    solver = accelerator() if len(cost) >= WIDE else None
    if solver is not None:
        least = np.negative(cost) if maximise else np.ascontiguousarray(cost)
        return solver(least, return_cost=False)[1]
    # The sign is turned with the precision: scipy would make one copy for each.
    wide = np.negative(cost, dtype=np.float64) if maximise else cost
    columns = linear_sum_assignment(wide)[1]
    return columns


def accelerator() -> Callable[..., tuple[Columns, Columns]] | None:
    """lapx's solver for the least cost (extra ``fast``), or None where it is not installed."""
    try:
        from lap import lapjvr
    except ImportError:
        return None
    solver: Callable[..., tuple[Columns, Columns]] = lapjvr
    return solver
