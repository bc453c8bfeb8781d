"""Numbers too large for a float: exponentials of exponentials, as deep as is needed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, final

_MOST = 600.0
"""Numbers above exp of this are kept as their logarithms: sums with a float are then lost in it."""


@final
@dataclass(frozen=True, order=True)
class Tower:
    """``exp(exp(… exp(top)))``, ``height`` times exp; of height 0 a plain number, at least 0.

    Example:
        >>> ten = math.log(10)
        >>> str(Tower(0, 3.0).power(ten)), str(Tower(0, 1e6).power(ten))
        ('1000', 'e^2.303e+06')
    """

    height: int = 0
    top: float = 0.0

    def power(self, rate: float, shift: float = 0.0) -> Tower:
        """``exp(rate · self + shift)`` for a rate of at least 0.

        From a height of 1 the shift, and from 2 the rate too, are below the rounding of ``top``.
        """
        if self.height == 0 or rate == 0:
            total = rate * self.top * (rate > 0) + shift
            return Tower(0, math.exp(total)) if total <= _MOST else Tower(1, total)
        more = math.log(rate) if self.height == 1 else 0.0
        return Tower(self.height + 1, self.top + more)

    @property
    def value(self) -> float:
        """As a float; infinite above its range."""
        found = self.top
        for _ in range(self.height):
            found = math.exp(found) if found < 709 else math.inf
        return found

    def __str__(self) -> str:
        return "e^" * self.height + f"{self.top:.4g}"

    def to_json(self) -> Any:
        """A number, or how often exp is taken of what."""
        return self.top if self.height == 0 else {"exponentials": self.height, "of": self.top}
