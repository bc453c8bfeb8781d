"""How far a network on a line can be from the mix of its ends, one input at a time.

With units matched i to i, d_i their distance and ``f = c + (1/N) Σ σ_*(x; θ_i)``, the gap
``f(tA + (1-t)B) - t f(A) - (1-t) f(B)`` is at most

* ``2 t (1-t) (1/N) Σ Lip_i d_i`` with Lip_i bounding the gradient of σ_* in θ where θ_i moves,
* ``t (1-t) (1/2N) Σ H_i d_i²`` with H_i bounding its second derivative there.

With one constant for the convex hull of all units these are mathematics.md 2.2, of which Theorem
3.1 of Ferbach et al. (2024) is the limit; with one for each pair they are sharper. Sharper still:
units are products ``r σ(z)`` with z = w·x + b affine on the line, so the gap of a unit is exactly

    r_t [σ(z_t) - t σ(z) - (1-t) σ(z')] - t (1-t) (r - r') (σ(z) - σ(z')),

of which the second part is known and the first is, for δ = |z - z'|, at most
``t (1-t) |r| min(δ osc σ', δ² max|σ''|/2)``.

All bounds here are at t = 1/2, and ``4 t (1-t)`` times that elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from isthmus.landscape.enclosures.rounding import room
from isthmus.transport.bounds.two_layers.activations import Activation, Extremes
from isthmus.transport.bounds.two_layers.network import Seen, Units


@final
@dataclass(frozen=True, eq=False)
class Pairs:
    """Two networks whose units are matched, i to i.

    Attributes:
        a: Units of the one.
        b: Of the other.
        outgoing: How much readers count in distances.
        activation: σ.
    """

    a: Units
    b: Units
    outgoing: float
    activation: Activation

    @property
    def distances(self) -> Tensor:
        """(N,), d_i, rounded up."""
        rows = self.a.rows(self.outgoing), self.b.rows(self.outgoing)
        return _lengths(rows[0] - rows[1])

    @property
    def longest(self) -> Tensor:
        """(N,), the longest reader on every segment: a norm is convex."""
        return torch.maximum(_lengths(self.a.readers), _lengths(self.b.readers))

    def constants(self, x: Extremes, longest: Tensor, reach: Tensor) -> tuple[Tensor, Tensor]:
        """Bounds of gradient and second derivative of r σ(w·x + b) in (outgoing·r, w, b).

        With ``p² + q² = 1``, p of a step in outgoing·r and q in (w, b), the derivatives are at most
        ``p |σ|/outgoing + q |r| |σ'| ‖x‖`` and ``2 p q m + q² n``, m = ``‖x‖ |σ'|/outgoing`` and
        n = ``|r| |σ''| ‖x‖²``: the largest eigenvalue of [[0, m], [m, n]].
        """
        gradient = torch.hypot(x.size / self.outgoing, longest * x.steepest * reach)
        m, n = reach * x.steepest / self.outgoing, longest * x.bend * reach**2
        second = (n + torch.hypot(n, 2 * m)) / 2
        return _up(gradient), _up(second.nan_to_num(nan=torch.inf, posinf=torch.inf))

    def hull(self, a: Seen, b: Seen) -> tuple[Tensor, Tensor]:
        """Both constants for every input, (n,), on the convex hull of all units."""
        low = torch.minimum((a.pre - a.error).amin(1), (b.pre - b.error).amin(1)).unsqueeze(1)
        high = torch.maximum((a.pre + a.error).amax(1), (b.pre + b.error).amax(1)).unsqueeze(1)
        found = self.constants(self._extremes(low, high), self.longest.max(), a.reach)
        return found[0].squeeze(1), found[1].squeeze(1)

    def segments(self, a: Seen, b: Seen) -> tuple[Tensor, Tensor, Tensor]:
        """For every input, (n,): both bounds with constants of pairs, and the sharpest."""
        low = torch.minimum(a.pre - a.error, b.pre - b.error)
        high = torch.maximum(a.pre + a.error, b.pre + b.error)
        extremes = self._extremes(low, high)
        gradient, second = self.constants(extremes, self.longest, a.reach)
        d = self.distances
        lipschitz = (gradient * d).mean(1) / 2
        smooth = torch.where(d > 0, second * d**2, 0.0).mean(1) / 8
        return _up(lipschitz), _up(smooth), self._sharpest(a, b, extremes)

    def _sharpest(self, a: Seen, b: Seen, x: Extremes) -> Tensor:
        error = a.error + b.error
        delta = (a.pre - b.pre).abs() + error
        flat = x.turning * delta
        bent = torch.where(x.bend.isinf(), flat, x.bend * delta**2 / 2)
        bending = (self.longest * torch.minimum(flat, bent)).mean(1)
        change = self.activation(a.pre) - self.activation(b.pre)
        apart = self.a.readers - self.b.readers
        known = torch.linalg.vector_norm(change @ apart, dim=1) / len(apart)
        spare = x.steepest * error + room() * x.size + room(len(apart)) * change.abs()
        return _up((bending + known + (_lengths(apart) * spare).mean(1)) / 4)

    def _extremes(self, low: Tensor, high: Tensor) -> Extremes:
        self.activation.require(high)
        return self.activation.over(low, high)


def _lengths(rows: Tensor) -> Tensor:
    """Norms of rows, rounded up."""
    found: Tensor = torch.linalg.vector_norm(rows, dim=1) * (1 + room(rows.shape[1]))
    return found


def _up(value: Tensor) -> Tensor:
    return value * (1 + 1e-9)
