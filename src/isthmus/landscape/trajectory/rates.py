"""CyclicRate: a step size that falls and rises again and again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

from isthmus.ground import BadInput


@final
@dataclass(frozen=True)
class CyclicRate:
    """A cyclic step size, linear down from ``high`` to ``low`` and up again.

    With half of the cycle down it is the triangle of FGE (Garipov et al. 2018), with all of it the
    saw of SWA (Izmailov et al. 2018). Where it is lowest the training is nearest to a minimum.

    Args:
        high: The largest step size, before the first step and at the end of a cycle.
        low: The least.
        cycle: Steps in a cycle.
        down: Of these, the steps down; None takes half, rounded up.

    Raises:
        BadInput: A step size is negative or not finite, ``low`` is above ``high``, or there are not
            at least one step down and at most the whole cycle.

    Example:
        >>> rate = CyclicRate(high=0.1, low=0.01, cycle=4)
        >>> [round(rate(step), 3) for step in range(5)]
        [0.055, 0.01, 0.055, 0.1, 0.055]
        >>> [rate.lowest(step) for step in range(5)]
        [False, True, False, False, False]
    """

    high: float
    low: float
    cycle: int
    down: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high < math.inf:
            raise BadInput(
                f"a step size between {self.low} and {self.high}",
                "give low and high in this order, none negative",
            )
        if not 1 <= self._down <= self.cycle:
            raise BadInput(
                f"{self._down} steps down in a cycle of {self.cycle}",
                "give at least one step down, and at most the whole cycle",
            )

    def __call__(self, step: int, steps: int | None = None) -> float:
        """The size of a step, from 0; how many ``steps`` there are does not matter."""
        place = step % self.cycle + 1
        share = place / self._down
        if place > self._down:
            share = (self.cycle - place) / (self.cycle - self._down)
        return self.high + share * (self.low - self.high)

    def lowest(self, step: int) -> bool:
        """Whether this is the step of the cycle with the least size."""
        return step % self.cycle + 1 == self._down

    @property
    def _down(self) -> int:
        return (self.cycle + 1) // 2 if self.down is None else self.down
