"""Schedules: the step size of every step of a training."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from isthmus.ground.errors import BadInput

Schedule: TypeAlias = "Callable[[int, int], float]"
"""The step size at a step (from 0) of so many."""


@dataclass(frozen=True)
class WarmupCosine:
    """Up in a line from ``start`` to ``peak``, then down half a cosine to 0.

    Loshchilov and Hutter 2017 (without restarts), with the warm-up of Goyal et al. 2017.

    Args:
        peak: The largest step size.
        warmup: Steps on the way up.
        start: The first step size.

    Raises:
        BadInput: A step size is negative or not finite, or ``warmup`` is negative.
    """

    peak: float
    warmup: int = 10
    start: float = 1e-6

    def __post_init__(self) -> None:
        for name in ("peak", "start", "warmup"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise BadInput(f"{name} of the schedule is {value}", "give a number of 0 or more")

    def __call__(self, step: int, steps: int) -> float:
        """The step size."""
        if step < self.warmup:
            return self.start + (self.peak - self.start) * step / self.warmup
        share = (step - self.warmup) / max(steps - self.warmup, 1)
        return self.peak * (1 + math.cos(math.pi * share)) / 2
