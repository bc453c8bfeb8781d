"""Scales: from values to places of a drawing, and the round values to write beside them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

_STEPS = (1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True)
class Scale:
    """Values from ``low`` to ``high`` at places from ``start`` to ``stop``.

    Attributes:
        logarithmic: Equal factors are equally far apart; all values are positive then.
    """

    low: float
    high: float
    start: float
    stop: float
    logarithmic: bool = False

    @classmethod
    def over(
        cls, values: Iterable[float], start: float, stop: float, *, logarithms: bool = True
    ) -> Scale:
        """A scale over the finite values, with a little room; empty and level ones too.

        It is logarithmic where all are positive and they span more than two powers of ten.
        """
        held = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
        low, high = min(held), max(held)
        if logarithms and low > 0 and high > 100 * low:
            return cls(low / 1.3, high * 1.3, start, stop, True)
        room = 0.04 * (high - low) or 0.5 * abs(high) or 0.5
        return cls(max(0.0, low - room) if low >= 0 else low - room, high + room, start, stop)

    def __call__(self, value: float) -> float:
        """The place of a value; beyond an end, that end."""
        low, high, here = (self._inner(v) for v in (self.low, self.high, value))
        share = min(1.0, max(0.0, (here - low) / (high - low)))
        return self.start + share * (self.stop - self.start)

    def _inner(self, value: float) -> float:
        if not self.logarithmic or value == math.inf:
            return value
        return math.log10(value) if value > 0 else -math.inf

    def ticks(self, most: int = 6) -> list[float]:
        """At most so many round values on the scale, or one more."""
        if self.logarithmic and len(found := self._powers(most)) > 1:
            return found
        size = 10.0 ** math.floor(math.log10((self.high - self.low) / most))
        step = next(s * size for s in _STEPS if (self.high - self.low) / (s * size) <= most)
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return [k * step for k in range(first, last + 1)]

    def _powers(self, most: int) -> list[float]:
        """1, 2 and 5 times the powers of ten, or these alone, or some of them."""
        first, last = math.floor(math.log10(self.low)), math.floor(math.log10(self.high))
        fine = [step * 10.0**k for k in range(first, last + 1) for step in _STEPS[:-1]]
        if len(held := [value for value in fine if self.low <= value <= self.high]) <= most:
            return held
        powers = [10.0**k for k in range(first, last + 1) if 10.0**k >= self.low]
        return powers[:: max(1, math.ceil(len(powers) / most))]


@dataclass(frozen=True)
class Cursor:
    """Where a page may draw a line across a chart to mark a level.

    Attributes:
        scale: Of the levels.
        upright: Whether levels go upwards, or to the right.
        ends: Where the line begins and ends, on the other axis.
    """

    scale: Scale
    upright: bool
    ends: tuple[float, float]


def number(value: float) -> str:
    """A value in at most three digits, with a true minus."""
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value + 0.0:.3g}".replace("-", "−")
