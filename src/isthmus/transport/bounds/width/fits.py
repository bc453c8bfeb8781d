"""Power laws through means at several widths, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, final

import numpy as np
from numpy.typing import NDArray

from isthmus.ground import Result

_RESAMPLES = 400
_LEVEL = 0.95

Floats = NDArray[np.float64]


class Law(Protocol):
    """How W_p^p falls: like ``N^-exponent (log N)^logarithms``; `RateLaw` is one."""

    @property
    def order(self) -> float:
        """p."""
        ...

    @property
    def exponent(self) -> float:
        """The power of 1 / N."""
        ...

    @property
    def logarithms(self) -> int:
        """The power of log N."""
        ...


@final
@dataclass(frozen=True)
class Range(Result):
    """A number, and from where to where it may be: a bootstrap interval of 95 %."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4g} ({self.low:.4g} to {self.high:.4g})"


def resampled(values: Floats, seed: int) -> Floats:
    """Logarithms of means, (1 + resamples, sizes): of all ``values`` (sizes, draws), then of draws
    drawn again."""
    random = np.random.default_rng(seed)
    drawn = random.integers(values.shape[1], size=(_RESAMPLES, *values.shape))
    means = np.take_along_axis(values[None], drawn, 2).mean(2)
    found: Floats = np.log(np.maximum(np.vstack([values.mean(1), means]), 1e-300))
    return found


def fitted(sizes: Sequence[int], logs: Floats, law: Law | None = None) -> tuple[Floats, Floats]:
    """Exponents e and heights h, by row, of ``log W = h - e log N + k log log N``.

    Least squares; with a law, e and k are its own, else k is 0.
    """
    at = np.log(np.asarray(sizes, dtype=np.float64))
    if law is None:
        centred = at - at.mean()
        exponents: Floats = -(logs @ centred) / (centred @ centred)
    else:
        logs = logs - law.logarithms * np.log(at)
        exponents = np.full(len(logs), law.exponent)
    return exponents, logs.mean(1) + exponents * at.mean()


def interval(values: Sequence[float]) -> Range:
    """The first, and the middle 95 % of the others."""
    tails = [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2]
    low, high = np.quantile(values[1:], tails, method="nearest")
    return Range(float(values[0]), float(low), float(high))


def falling(sizes: Sequence[int], values: Floats, seed: int = 0) -> Range:
    """The exponent e of ``N^-e`` with which ``values`` (sizes, draws) fall."""
    return interval(fitted(sizes, resampled(values, seed))[0].tolist())
