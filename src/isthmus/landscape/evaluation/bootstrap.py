"""How sure a barrier is, given that the data are a sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from isthmus.ground import BadInput, Result

_BLOCK = 2**23
"""Numbers drawn at a time."""


@final
@dataclass(frozen=True)
class Interval(Result):
    """Where a figure lies in ``level`` of the resamples.

    Attributes:
        low: The lower end.
        high: The upper end.
        level: The share between them.
        resamples: How many there were.
    """

    low: float
    high: float
    level: float
    resamples: int

    def __str__(self) -> str:
        return f"{self.low:.4g} to {self.high:.4g} ({self.level:.0%} of {self.resamples} resamples)"


@final
@dataclass(frozen=True)
class Bootstrap:
    """The percentile interval over resamples of the data, drawn with replacement (Efron 1979).

    The samples of one resample are the same at all points of a path, so that what the points have
    in common cancels. A maximum over points is on average larger on a resample than on the data,
    so the interval of a barrier leans upwards.

    Args:
        resamples: How many.
        level: The share of them that the interval holds.
        seed: Fixes them.
    """

    resamples: int = 1000
    level: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        if self.resamples < 2:
            raise BadInput(f"resamples is {self.resamples}, expected at least 2", "1000 is usual")
        if not 0 < self.level < 1:
            raise BadInput(
                f"level is {self.level}, expected a number between 0 and 1", "0.95 is usual"
            )

    def __call__(self, each: Tensor, figure: Callable[[Tensor], Tensor]) -> Interval:
        """The interval of a figure of mean losses.

        Args:
            each: Losses by point and sample, float64 of shape (points, samples).
            figure: Mean losses of shape (resamples, points) to figures of shape (resamples,).
        """
        samples = each.shape[1]
        generator = torch.Generator().manual_seed(self.seed)
        rows = max(1, _BLOCK // samples)
        found = []
        for start in range(0, self.resamples, rows):
            size = (min(rows, self.resamples - start), samples)
            drawn = torch.randint(samples, size, generator=generator)
            counts = torch.zeros(size, dtype=each.dtype)
            counts.scatter_add_(1, drawn, torch.ones(1, dtype=each.dtype).expand(size))
            found.append(figure(counts @ each.T / samples))
        ends = torch.tensor([1 - self.level, 1 + self.level], dtype=each.dtype) / 2
        low, high = torch.quantile(torch.cat(found), ends).tolist()
        return Interval(low, high, self.level, self.resamples)
