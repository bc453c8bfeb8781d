"""Floors: certified lower bounds of what pairs cost, by branch and bound over their log-scales.

On a box of log-scales every ``y_e`` runs over an interval, which bounds each character's cost by
itself. Where that is not enough: the convex terms (``y²``, and ``y`` of negative overlaps) lie
above their tangents at the centre, the concave ones above their chords, so the cost lies above a
function linear in the log-scales, whose least value is at a corner. The error falls with the square
of the box.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from isthmus.alignment.optimality.costs import Costs

FAR = 32.0
"""Log-scales beyond this are treated as infinite."""
PRECISION = 1e-10
"""Floors are this much, relative to the squared norm of the target unit, below the minimum."""
_ROUNDS = 200
_NARROW = 1e-9
_BOXES = 4_000_000


def floor(costs: Costs, level: Tensor) -> Tensor:
    """A lower bound of every pair's least cost, as far as needed: never above ``level``.

    Args:
        costs: of the pairs, ``(batch, n, m)``.
        level: of the same shape; pairs that cost at least this are not looked into further.
    """
    least = costs.least()
    if not costs.powers.shape[1]:
        return torch.minimum(level, least)
    out, powers = level.clone(), _independent(costs.powers)
    open_pairs = (least < level).nonzero()
    if len(open_pairs):
        b, i, j = open_pairs.unbind(1)
        found = torch.full((len(b),), torch.inf, dtype=torch.float64)
        for pattern in costs.patterns:
            cross, source = costs.cross(pattern)[:, b, i, j], costs.source.expand_as(costs.plus)
            pairs = _Pairs.centred(cross, source[:, b, i, j], costs.target[b, i, 0], powers)
            found = torch.minimum(found, pairs.floor(level[b, i, j]))
        out[b, i, j] = found
    return out


def _independent(powers: Tensor) -> Tensor:
    """The columns that are not combinations of others: scales that are felt apart."""
    kept: list[int] = []
    for k in range(powers.shape[1]):
        if int(torch.linalg.matrix_rank(powers[:, [*kept, k]])) > len(kept):
            kept.append(k)
    return powers[:, kept]


@dataclass
class _Pairs:
    """Some pairs: ``cross`` and ``source`` are ``(characters, pairs)``, ``target`` ``(pairs,)``."""

    cross: Tensor
    source: Tensor
    target: Tensor
    powers: Tensor

    @classmethod
    def centred(cls, cross: Tensor, source: Tensor, target: Tensor, powers: Tensor) -> _Pairs:
        """With log-scales counted from where the moved units are about as long as the target."""
        tiny = 1e-300
        lengths = (target.clamp_min(tiny) / source.clamp_min(tiny)).log() / 2
        origin = torch.linalg.pinv(powers) @ torch.where(source > tiny, lengths, 0.0)
        grown = (powers @ origin).clamp(-340, 340).exp()
        return cls(cross * grown, source * grown * grown, target, powers)

    def floor(self, level: Tensor) -> Tensor:
        """Branch and bound for all pairs at once."""
        margin = PRECISION * self.target
        level = level.clone()
        pair = torch.arange(len(level))
        low = torch.full((len(level), self.powers.shape[1]), -FAR, dtype=torch.float64)
        high = -low
        for last in range(_ROUNDS, 0, -1):
            bound, at, worst = self._bounds(pair, low, high)
            level.scatter_reduce_(0, pair, at - margin[pair], "amin")
            left = bound < level[pair]
            # A box too narrow to halve stays as it is, and its bound is what is known.
            narrow = left & ((high - low).amax(1) < _NARROW)
            level.scatter_reduce_(0, pair[narrow], bound[narrow], "amin")
            left &= ~narrow
            if not bool(left.any()) or int(left.sum()) > _BOXES or last == 1:
                break
            pair, low, high, worst = pair[left], low[left], high[left], worst[left]
            row = torch.arange(len(pair))
            middle = (low[row, worst] + high[row, worst]) / 2
            below, above = high.clone(), low.clone()
            below[row, worst], above[row, worst] = middle, middle
            pair = pair.repeat(2)
            low, high = torch.cat([low, above]), torch.cat([below, high])
        return level.scatter_reduce(0, pair[left], bound[left], "amin")

    def _bounds(self, pair: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A lower bound on each box, the cost at its centre, and the side to halve."""
        cross, source, target = self.cross[:, pair], self.source[:, pair], self.target[pair]
        middle, half = (low + high) / 2, (high - low) / 2
        t, d = self.powers @ middle.mT, self.powers.abs() @ half.mT
        y = t.exp()
        infinite = ((low <= -FAR) | (high >= FAR)).double()
        endless = (self.powers.abs() @ infinite.mT) > 0
        alone = self._alone(cross, source, low, high)
        # The least cost may lie at infinity: there the box is tried at its far end.
        end = torch.where(low <= -FAR, low, high)
        tried = (self.powers @ torch.where(infinite.bool(), end, middle).mT).exp()
        at = target + (source * tried.square() - 2 * cross * tried).sum(0)

        bent = source * y.square() - 2 * cross.clamp_max(0) * y
        slope = 2 * source * y.square() - 2 * cross.clamp_max(0) * y
        lifted = 2 * cross.clamp_min(0) * y
        d = torch.where(endless, 0.0, d)
        steep = torch.where(d > 0, d.sinh() / d.clamp_min(1e-300), 1.0)
        fixed = torch.where(endless, alone, bent - lifted * d.cosh())
        tilt = torch.where(endless, 0.0, slope - lifted * steep)
        linear = target + fixed.sum(0) - ((self.powers.mT @ tilt).abs().mT * half).sum(1)
        bound = torch.maximum(target + alone.sum(0), linear)

        # The side along which the bound is loosest: by curvature, or by size where endless.
        bend = (source * y.square() + cross.abs() * y).clamp_min(1e-12 * target).clamp_max(1e30)
        loose = (self.powers.square().mT @ bend).mT * half.square()
        loose = torch.where(infinite.bool(), (loose + target.unsqueeze(1)) * 1e6, loose)
        return bound, at, loose.argmax(1)

    def _alone(self, cross: Tensor, source: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """Each character at its best within the box."""
        up, down = self.powers.clamp_min(0), self.powers.clamp_max(0)
        least = up @ low.mT + down @ high.mT
        most = up @ high.mT + down @ low.mT
        open_low, open_high = (low <= -FAR).double(), (high >= FAR).double()
        no_least = (up @ open_low.mT - down @ open_high.mT) > 0
        no_most = (up @ open_high.mT - down @ open_low.mT) > 0
        smallest = torch.where(no_least, 0.0, least.exp())
        largest = torch.where(no_most, torch.inf, most.exp())
        best = (cross / source.clamp_min(1e-300)).clamp_min(0)
        y = torch.minimum(torch.maximum(best, smallest), largest)
        return torch.where(source > 0, source * y.square() - 2 * cross * y, 0.0)
