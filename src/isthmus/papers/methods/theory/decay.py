"""Linear networks of two layers with weight decay: a path below the worse end, built.

``f(x) = W_2 W_1 x`` under a loss that is convex in the outputs, plus ``λ/2 (‖W_1‖² + ‖W_2‖²)``.
Freeman and Bruna (2017) show that its sublevel sets are connected; the path is reconstructed:

1. What W_1 writes and W_2 does not read is taken out, then what W_2 reads and W_1 does not write:
   the product stays, the norms fall.
2. On the space that is left a symmetric positive g with ``g² A g² = B``, A and B the Gram matrices
   of both factors, balances them: along ``g^t`` the sum of squares is convex and least at t = 1.
3. A rotation brings that space to units of its own.
4. ``(√(1-t) W_2, √t W'_2)`` over ``(√(1-t) W_1, √t W'_1)``, side by side: the product goes straight
   from one to the other, and so does the sum of squares; the loss is convex along it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from isthmus.ground import Disconnected
from isthmus.topology.linear.frames import frame_curve

Weights: TypeAlias = "tuple[Tensor, Tensor]"
"""``(hidden, inputs)`` and ``(outputs, hidden)``, float64."""

Leg: TypeAlias = "Callable[[float], Weights]"

_RANK = 1e-10
"""Relative: smaller singular values count as zero."""


@dataclass(frozen=True, eq=False)
class _Descent:
    """Legs from a network to its balanced form on a block of units.

    Attributes:
        legs: In order.
        up: ``(rank, inputs)`` at the end; so ``down``, ``(outputs, rank)``.
    """

    legs: tuple[Leg, ...]
    up: Tensor
    down: Tensor


def decayed_path(a: Weights, b: Weights) -> list[Leg]:
    """Legs from one network to the other, each continuous, one after the other.

    Args:
        a: Where it starts.
        b: Where it ends.

    Raises:
        Disconnected: The ranks of both products are together more than the hidden units.
    """
    hidden = a[0].shape[0]
    ranks = [len(_span(down @ up)) for up, down in (a, b)]
    if sum(ranks) > hidden:
        raise Disconnected(
            f"products of rank {ranks[0]} and {ranks[1]} do not fit side by side into {hidden} "
            "hidden units",
            "use a wider network",
        )
    first, second = _descent(a, 0), _descent(b, ranks[0])

    def across(t: float) -> Weights:
        near, far = (1 - t) ** 0.5, t**0.5
        spare = hidden - sum(ranks)
        up = torch.cat([near * first.up, far * second.up, a[0].new_zeros(spare, a[0].shape[1])])
        columns = [near * first.down, far * second.down, a[1].new_zeros(len(a[1]), spare)]
        return up, torch.cat(columns, 1)

    back = [_reversed(leg) for leg in reversed(second.legs)]
    return [*first.legs, across, *back]


def _reversed(leg: Leg) -> Leg:
    return lambda t: leg(1 - t)


def _descent(weights: Weights, block: int) -> _Descent:
    """Steps 1 to 3, to the units from ``block`` on."""
    up, down = weights
    read = _span(down)
    lean_up = read.mT @ (read @ up)
    written = _span(lean_up.mT)
    lean_down = down @ written.mT @ written
    small_up, small_down = written @ lean_up, lean_down @ written.mT
    root, rank = _balancing(small_up, small_down), len(written)
    values, vectors = torch.linalg.eigh(root)

    def power(t: float) -> Tensor:
        raised: Tensor = vectors * values**t @ vectors.mT
        return raised

    end_up, end_down = power(1) @ small_up, small_down @ power(-1)
    frame = torch.zeros(len(up), rank, dtype=torch.float64)
    frame[block : block + rank] = torch.eye(rank, dtype=torch.float64)
    turned = frame_curve(written.mT, frame)
    legs: tuple[Leg, ...] = (
        lambda t: (torch.lerp(up, lean_up, t), down),
        lambda t: (lean_up, torch.lerp(down, lean_down, t)),
        lambda t: (written.mT @ power(t) @ small_up, small_down @ power(-t) @ written),
        lambda t: (turned(t) @ end_up, end_down @ turned(t).mT),
    )
    return _Descent(legs, end_up, end_down)


def _span(matrix: Tensor) -> Tensor:
    """Orthonormal rows that span those of a matrix."""
    _, sizes, rows = torch.linalg.svd(matrix, full_matrices=False)
    kept: Tensor = rows[sizes > _RANK * sizes[0]]
    return kept


def _balancing(up: Tensor, down: Tensor) -> Tensor:
    """g with ``g up up^T g = g^-1 down^T down g^-1``: the root of a geometric mean."""
    a, b = up @ up.mT, down.mT @ down
    half, back = _power(a, 0.5), _power(a, -0.5)
    return _power(back @ _power(half @ b @ half, 0.5) @ back, 0.5)


def _power(positive: Tensor, exponent: float) -> Tensor:
    """Of a symmetric positive matrix."""
    values, vectors = torch.linalg.eigh((positive + positive.mT) / 2)
    found: Tensor = vectors * values.clamp_min(0) ** exponent @ vectors.mT
    return found
