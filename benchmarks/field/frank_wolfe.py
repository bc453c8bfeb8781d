"""C²M³, Frank–Wolfe matching of a pair (Crisostomi et al. 2024).

All permutations at once inside their convex hull: an assignment on the gradient for each, one step
of exact length for all, permutations from the last matrices by assignment. From the identity and
from the barycentre; the nearer result is kept.
"""

from __future__ import annotations

import time

import torch

from field.models import Axes, Matrices, Params, best, mixed, permuted, places, rows, sizes


def frank_wolfe(
    a: Params,
    b: Params,
    axes: Axes,
    *,
    seconds: float,
    tolerance: float = 1e-6,
    patience: int = 5,
) -> Matrices:
    """The better of both starts.

    Args:
        a, b: the models; b is moved.
        axes: the permutation of each axis; at most two in one parameter.
        seconds: of processor time, half for each start.
        tolerance: a step that gains less, relative to the objective, counts as none.
        patience: so many of these in a row are the end.
    """
    if any(sum(p is not None for p in perms) > 2 for perms in axes.values()):
        raise ValueError("the line search is exact for at most two permutations in a parameter")
    count = sizes(axes, a)
    starts = (
        {perm: torch.eye(n) for perm, n in count.items()},
        {perm: torch.full((n, n), 1 / n) for perm, n in count.items()},
    )
    ends = [_climb(a, b, axes, s, seconds / 2, tolerance, patience) for s in starts]
    return max(ends, key=lambda perms: _overlap(a, b, axes, perms))


def _climb(
    a: Params,
    b: Params,
    axes: Axes,
    soft: Matrices,
    seconds: float,
    tolerance: float,
    patience: int,
) -> Matrices:
    began, still = time.process_time(), 0
    value, gradient = _slope(a, b, axes, soft)
    while still < patience and time.process_time() - began < seconds:
        vertex = {perm: best(g) for perm, g in gradient.items()}
        rise = sum(
            float(g.gather(1, vertex[perm].unsqueeze(1)).sum() - (g * soft[perm]).sum())
            for perm, g in gradient.items()
        )
        t = _length(value, rise, _overlap(a, b, axes, vertex))
        for perm, matrix in soft.items():
            matrix *= 1 - t
            matrix[torch.arange(len(matrix)), vertex[perm]] += t
        last = value
        value, gradient = _slope(a, b, axes, soft)
        still = still + 1 if value - last < tolerance * abs(last) else 0
    return {perm: best(matrix) for perm, matrix in soft.items()}


def _slope(a: Params, b: Params, axes: Axes, soft: Matrices) -> tuple[float, Matrices]:
    """The overlap ``Σ ⟨a, X b⟩`` of all parameters that something moves, and its gradient."""
    value = 0.0
    gradient = {perm: torch.zeros_like(matrix) for perm, matrix in soft.items()}
    counted: set[str] = set()
    for perm, of in places(axes).items():
        for name, axis in of:
            cross = rows(a[name], axis) @ rows(mixed(b, axes, soft, name, but=axis), axis).T
            gradient[perm] += cross
            if name not in counted:
                counted.add(name)
                value += float((cross * soft[perm]).sum())
    return value, gradient


def _overlap(a: Params, b: Params, axes: Axes, perms: Matrices) -> float:
    names = {name for of in places(axes).values() for name, _ in of}
    return sum(float((a[n] * permuted(b, axes, perms, n)).sum()) for n in names)


def _length(here: float, rise: float, there: float) -> float:
    """Where the parabola of this value and slope at 0, and this value at 1, is highest."""
    bend = there - here - rise
    if bend < 0:
        return min(1.0, -rise / (2 * bend))
    return 1.0 if there > here else 0.0
