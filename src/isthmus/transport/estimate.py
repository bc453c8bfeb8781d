"""Estimate: a number measured on a sample, with its interval."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from scipy.stats import norm

from isthmus.ground.errors import BadInput
from isthmus.ground.results import Result


@dataclass(frozen=True)
class Estimate(Result):
    """A number with its interval.

    Attributes:
        value: the estimate.
        low: lower end of the interval.
        high: upper end.
        level: its confidence.
        basis: what the interval rests on, in words.
    """

    value: float
    low: float
    high: float
    level: float
    basis: str

    @classmethod
    def normal(cls, value: float, error: float, level: float, basis: str) -> Estimate:
        """The interval of a normal law with a standard error."""
        reach = float(norm.ppf((1 + level) / 2)) * error
        return cls(value, value - reach, value + reach, level, basis)

    def mapped(self, change: Callable[[float], float]) -> Estimate:
        """The estimate of a monotone function of the number."""
        low, high = sorted((change(self.low), change(self.high)))
        return Estimate(change(self.value), low, high, self.level, self.basis)

    def holds(self, value: float) -> bool:
        """Whether a number lies in the interval."""
        return self.low <= value <= self.high

    def __str__(self) -> str:
        return format(self, ".4g")

    def __format__(self, spec: str) -> str:
        """The value and its interval, each in this format."""
        value, low, high = (format(x, spec) for x in (self.value, self.low, self.high))
        return f"{value} [{low}, {high}]"


def check_level(level: float) -> None:
    """Raise `BadInput` unless a confidence lies between 0 and 1."""
    if not (math.isfinite(level) and 0 < level < 1):
        raise BadInput(f"level is {level}", "give a number between 0 and 1; 0.95 is usual")
