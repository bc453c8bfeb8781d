"""sliced_bound: a lower bound of W_p from one-dimensional transport, for layers of any width."""

from __future__ import annotations

import torch
from torch import Tensor

from isthmus.ground.errors import BadInput, ShapeMismatch
from isthmus.ground.matrices import triangular
from isthmus.transport.measures.measure import Measure


def sliced_bound(
    one: Measure, other: Measure, order: float = 2.0, frames: int = 4, seed: int = 0
) -> float:
    """A number that ``W_p`` is not below, in time ``n log n`` for each direction.

    For orthonormal directions θ_k and any vector z, ``Σ |θ_k·z|^p ≤ |z|^p`` for p ≥ 2 and
    ``≤ d^{1-p/2} |z|^p`` for p ≤ 2; so with ``W_p(k)`` between the measures on the line θ_k,
    ``W_p^p ≥ d^{min(0, p/2-1)} Σ_k W_p^p(k)``, and ``W_p ≥ W_p(k)`` for each. The best of some
    random frames is returned.

    Args:
        one: a measure without signs.
        other: another.
        order: p, at least 1.
        frames: orthonormal bases that are tried, at least 1.
        seed: of the bases.

    Raises:
        BadInput: atoms have signs, or the order or the number of frames is below 1.
        ShapeMismatch: the measures are of different spaces.
    """
    if one.dimension != other.dimension:
        raise ShapeMismatch(f"one measure has {one}, the other {other}", "compare one space")
    if len(one.signs) > 1 or len(other.signs) > 1:
        raise BadInput("atoms have signs, and no order along a line", "use wasserstein")
    if order < 1 or frames < 1:
        raise BadInput(f"order {order} and {frames} frames", "give at least 1 of both")
    generator = torch.Generator().manual_seed(seed)
    d, best = one.dimension, 0.0
    for _ in range(frames):
        frame = triangular(torch.randn(d, d, generator=generator, dtype=torch.float64))[0]
        powers = _on_lines(one.atoms @ frame, one.masses, other.atoms @ frame, other.masses, order)
        joint = d ** min(0.0, order / 2 - 1) * float(powers.sum())
        best = max(best, joint, float(powers.max()))
    return float(best ** (1 / order))


def _on_lines(x: Tensor, one: Tensor, y: Tensor, other: Tensor, order: float) -> Tensor:
    """``W_p^p`` in each column, ``(d,)``: quantiles against quantiles."""
    (x, left), (y, right) = _quantiles(x, one), _quantiles(y, other)
    ends = torch.cat([left, right]).sort(0).values
    steps = ends.diff(dim=0, prepend=torch.zeros_like(ends[:1]))
    middle = (ends - steps / 2).mT.contiguous()
    at = [
        torch.searchsorted(cut.mT.contiguous(), middle).clamp_max(len(cut) - 1).mT
        for cut in (left, right)
    ]
    gaps = (x.gather(0, at[0]) - y.gather(0, at[1])).abs()
    return (steps * gaps**order).sum(0)


def _quantiles(x: Tensor, masses: Tensor) -> tuple[Tensor, Tensor]:
    """Each column sorted, and up to which share of the mass each value reaches."""
    values, order = x.sort(0)
    return values, masses[order].cumsum(0)
