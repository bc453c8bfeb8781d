"""Assignment: the permutation of least, or largest, sum of entries; every one goes through here.

Exact always. Where the best entries of all rows lie in different columns they are the answer, which
costs one pass over the matrix: two models that match are told apart from all others in that time.
Else the shortest augmenting paths of Jonker and Volgenant 1987, by scipy (after Crouse 2016), or by
the optional lapx. Of its solvers the one that keeps potentials and distances in float64 is used:
those that keep them in float32 miss the optimum by more than rounding. It reads a float32 matrix as
it is, of which scipy makes a float64 copy.

scipy begins with potentials of zero. A number for each column may be taken from all its entries
without another permutation becoming the best, and those of a soft assignment are nearly the
potentials at the optimum: its paths are then short, and at widths of 128 to 2048 it needs about
half of the time.
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
"""The least size at which solvers are chosen and helped: smaller ones take some microseconds."""

SHARPNESS = 30
"""The mean entry, above the least of its row, over the temperature of the soft assignment."""

TINY = np.float32(1e-30)
"""Added to sums that may be 0."""


def assignment(cost: Tensor, *, maximise: bool = False) -> Tensor:
    """The permutations of least ``Σ_i cost[i, perm i]``, or of the largest.

    Args:
        cost: ``(*batch, n, n)``, of real numbers.
        maximise: look for the largest sum.

    Returns:
        ``(*batch, n)``, int64. Which one, where several are best, depends on the solver.

    Raises:
        NotFinite: an entry is NaN, or infinite of the sign that would always be chosen; infinity of
            the other sign forbids a pair.
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
    least = np.negative(cost) if maximise else cost
    solver = accelerator() if len(cost) >= WIDE else None
    if solver is not None:
        return solver(np.ascontiguousarray(least), return_cost=False)[1]
    wide = least - _potentials(least) if len(cost) >= WIDE else least
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


def _potentials(cost: Costs) -> Costs:
    """A number for each column, float64, by ten Sinkhorn steps at a low temperature.

    Whatever they are, they change no answer: so float32, and nothing is refused.
    """
    low = cost.min(1)
    temperature = (cost.mean(dtype=np.float64) - low.mean(dtype=np.float64)) / SHARPNESS
    right = np.ones(len(cost), dtype=np.float32)
    if not 0 < temperature < np.inf:
        return np.zeros(len(cost))
    with np.errstate(over="ignore"):
        kernel = np.exp(((low[:, None] - cost) / cost.dtype.type(temperature)).astype(np.float32))
    for _ in range(10):
        left = 1 / (kernel @ right + TINY)
        right = 1 / (left @ kernel + TINY)
    found: Costs = temperature * np.log(right, dtype=np.float64)
    return found
