"""How tensors move from point to point: which stand still, and which move in few directions.

A tensor that takes the values ``W_j`` at the points of a path follows ``W_0 + Σ_k c_jk V_k`` with
few directions ``V_k``: none where it stands still, one on a line, two on a polygon with one bend
or a quadratic Bézier curve. What is linear in it can then be computed once for ``W_0`` and the
``V_k``.

This is found from the numbers, whatever the path, and holds to a few roundings in every entry.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_PICKED = 512
"""Entries that are looked at to find directions; all entries are then compared."""
_ROUNDINGS = 8
_MOST = 6
"""More directions cost more to add up than they save."""


@dataclass(frozen=True, eq=False)
class Trajectory:
    """``origin + Σ_k coefficients[j][k] · directions[k]`` at point j."""

    origin: Tensor
    directions: tuple[Tensor, ...] = ()
    coefficients: tuple[tuple[float, ...], ...] = ()


class Trajectories:
    """The trajectories of all tensors over some points, each found when it is asked for."""

    def __init__(self, points: Sequence[Mapping[str, Tensor]]) -> None:
        self.points = points
        self._still: dict[str, bool] = {}
        self._found: dict[str, Trajectory | None] = {}

    def still(self, name: str) -> bool:
        """Whether the tensor called ``name`` is the same at all points."""
        if name not in self._still:
            first, *rest = (point[name] for point in self.points)
            self._still[name] = all(_equal(first, tensor) for tensor in rest)
        return self._still[name]

    def of(self, name: str) -> Trajectory | None:
        """How the tensor called ``name`` moves; None where that is in too many directions."""
        if name not in self._found:
            tensors = [point[name] for point in self.points]
            self._found[name] = (
                Trajectory(tensors[0].detach()) if self.still(name) else follow(tensors)
            )
        return self._found[name]


def _equal(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors hold the same numbers; of sparse ones that is not asked."""
    return one is other or (one.layout is torch.strided and torch.equal(one, other))


def follow(tensors: Sequence[Tensor]) -> Trajectory | None:
    """The trajectory of a tensor with these values; None where it has too many directions to share.

    At most half as many products as there are points are worth it, and tensors in half precision
    are too coarse to tell.
    """
    origin = tensors[0].detach()  # an object of its own, which no point runs with
    most = min(len(tensors) // 2 - 1, _MOST)
    if origin.layout is not torch.strided or not origin.is_floating_point() or most < 1:
        return None
    if torch.finfo(origin.dtype).eps > 1e-6:
        return None
    scale = max(float(torch.linalg.vector_norm(t, torch.inf)) for t in tensors)
    room = _ROUNDINGS * torch.finfo(origin.dtype).eps * scale
    found = _directions(tensors, most, room)
    if found is None:
        return None
    chosen, coefficients = found
    directions = tuple(tensors[j] - origin for j in chosen)
    for tensor, row in zip(tensors, coefficients, strict=True):
        rest = tensor - origin
        for weight, direction in zip(row, directions, strict=True):
            rest.sub_(direction, alpha=weight)
        if not float(torch.linalg.vector_norm(rest, torch.inf)) <= room:  # so too where it is NaN
            return None
    return Trajectory(origin, directions, coefficients)


def _directions(
    tensors: Sequence[Tensor], most: int, room: float
) -> tuple[list[int], tuple[tuple[float, ...], ...]] | None:
    """Points whose differences from the first span the rest, judged by some of the entries.

    Greedy: the next direction leads to the point that is farthest from the span of those so far.
    """
    stride = -(-tensors[0].numel() // _PICKED)
    moved = torch.stack([t.flatten()[::stride] for t in tensors]).double().cpu()
    moved = moved - moved[:1]
    rest, chosen = moved, list[int]()
    coefficients = moved.new_zeros(len(tensors), 0)
    while not float(rest.abs().max()) <= room:
        if len(chosen) == most or not bool(rest.isfinite().all()):
            return None
        chosen.append(int(rest.square().sum(1).argmax()))
        basis = moved[chosen]
        coefficients = torch.linalg.lstsq(basis.T, moved.T).solution.T
        rest = moved - coefficients @ basis
    if not chosen:  # those that were looked at stand still, others do not
        return None
    return chosen, tuple(tuple(row) for row in coefficients.tolist())
