"""Singular values of a tall matrix whose rows come batch by batch, and its numerical rank."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from isthmus.algebra.groups import FLOAT

NEVER_DROPPED = 1e-8
"""A singular value above this share of the largest is no rounding error."""

NOISE = 1e-16
"""Singular values below this share of the largest are all the same: nothing."""

FLAT = 1e-6
"""A unit vector that leaves a space by no more lies in it."""

CLEAR = 1e4
"""A gap at least so wide is clear."""


@dataclass(frozen=True)
class Rank:
    """A numerical rank: where the singular values fall the farthest.

    Attributes:
        rank: how many singular values are kept.
        gap: the last that is kept over the first that is dropped (or over rounding error, where
            none is dropped).
    """

    rank: int
    gap: float

    @property
    def clear(self) -> bool:
        """Whether no other rank could be meant."""
        return self.gap >= CLEAR


def rank_of(values: Tensor) -> Rank:
    """The rank that singular values, falling, tell: by the widest gap among the small ones."""
    if not len(values) or float(values[0]) == 0.0:
        return Rank(0, float("inf"))
    relative = (values / values[0]).clamp_min(NOISE)
    below = torch.cat([relative[1:], relative.new_tensor([NOISE])])
    ratios = torch.where(below <= NEVER_DROPPED, relative / below, 0.0)
    best = int(ratios.argmax())
    return Rank(best + 1, float(ratios[best]))


class Rows:
    """The triangular factor of all rows so far: as good as the rows, and never larger than square.

    Singular values are those of the rows themselves, to full precision; those of their Gram
    matrix would lose half the digits.
    """

    def __init__(self, width: int) -> None:
        self.factor = torch.zeros(0, width, dtype=FLOAT)
        self.count = 0

    def append(self, rows: Tensor) -> None:
        """Take in a batch of rows ``(any, width)``."""
        self.count += len(rows)
        both = torch.cat([self.factor, rows])
        self.factor = torch.linalg.qr(both, mode="r").R if both.numel() else both

    def rank(self) -> Rank:
        """The numerical rank of all rows so far."""
        return rank_of(torch.linalg.svdvals(self.factor))

    def null_space(self, rank: int) -> Tensor:
        """An orthonormal basis ``(width − rank, width)`` of what the rows send to nothing."""
        right: Tensor = torch.linalg.svd(self.factor, full_matrices=True).Vh
        return right[rank:]

    def residual(self, directions: Tensor) -> float:
        """The largest effect of a unit direction ``(any, width)``, over the largest of all."""
        if not len(directions) or not len(self.factor):
            return 0.0
        effects = (self.factor @ directions.T).norm(dim=0)
        largest = float(torch.linalg.matrix_norm(self.factor, 2))
        return float(effects.max()) / largest if largest else 0.0


def row_space(rows: Tensor) -> Tensor:
    """An orthonormal basis of the span of ``rows``, each first brought to length one."""
    lengths = rows.norm(dim=1, keepdim=True)
    kept = rows[lengths[:, 0] > 1e-12] / lengths[lengths[:, 0] > 1e-12]
    if not len(kept):
        return rows[:0]
    _, values, right = torch.linalg.svd(kept, full_matrices=False)
    out: Tensor = right[: rank_of(values).rank]
    return out
