"""Bounds of what a function of one variable leaves over a line: f(y) - slope·y on [low, high]."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from isthmus.landscape.enclosures.rounding import room

Function = Callable[[Tensor], Tensor]


class Curve(Protocol):
    """A function that can be enclosed."""

    @property
    def value(self) -> Function:
        """The function."""
        ...

    def slope(self, low: Tensor, high: Tensor) -> Tensor:
        """A good slope of a line over [low, high]; any is allowed."""
        ...

    def residue(self, low: Tensor, high: Tensor, slope: Tensor) -> tuple[Tensor, Tensor]:
        """Bounds of f(y) - slope·y for y in [low, high], from below and from above."""
        ...


@dataclass(frozen=True)
class Bent:
    """A continuous function that is linear between its kinks."""

    value: Function
    kinks: tuple[float, ...]

    def slope(self, low: Tensor, high: Tensor) -> Tensor:
        """The chord's; the function's own where the interval is a point."""
        width = high - low
        return torch.where(
            width > 0, (self.value(high) - self.value(low)) / width, torch.zeros_like(low)
        )

    def residue(self, low: Tensor, high: Tensor, slope: Tensor) -> tuple[Tensor, Tensor]:
        """At the ends and at the kinks between them: elsewhere it is linear."""
        at_low, at_high = self.value(low) - slope * low, self.value(high) - slope * high
        least, most = torch.minimum(at_low, at_high), torch.maximum(at_low, at_high)
        for kink in self.kinks:
            inside = (low < kink) & (kink < high)
            there = self.value(torch.full_like(low, kink)) - slope * kink
            least = torch.where(inside, torch.minimum(least, there), least)
            most = torch.where(inside, torch.maximum(most, there), most)
        return least, most


@dataclass(frozen=True)
class Smooth:
    """A function with one derivative everywhere and a second but for jumps at ``turns``.

    Args:
        value: The function.
        first: Its first derivative.
        second: Its second derivative.
        first_turns: Where ``first`` turns between rising and falling.
        second_turns: So for ``second``; between them it is monotone.
        first_range: Bounds of ``first`` instead of its turns, for one that turns for ever.
        second_range: So for ``second``.
        domain: Where it is defined: above this.
    """

    value: Function
    first: Function
    second: Function
    first_turns: tuple[float, ...] = ()
    second_turns: tuple[float, ...] = ()
    first_range: tuple[float, float] | None = None
    second_range: tuple[float, float] | None = None
    domain: float = -math.inf

    def slope(self, low: Tensor, high: Tensor) -> Tensor:
        """The chord's; the derivative in the middle where rounding would blur that."""
        width = high - low
        middle = self.first(low + width / 2)
        fine = width > 1e-6 * (1 + low.abs() + high.abs())
        return torch.where(fine, (self.value(high) - self.value(low)) / width, middle)

    def residue(self, low: Tensor, high: Tensor, slope: Tensor) -> tuple[Tensor, Tensor]:
        """From the second derivative, or from the first where that says more.

        With g = f - slope·y and f'' in [m, M], g - M(y - low)(y - high)/2 is concave, so g lies at
        most max(M, 0)·width²/8 below its lower end; so above with -m. With f' in [a, b], g rises at
        most at b - slope from the one end and at most at slope - a towards it from the other.
        """
        at_low, at_high = self.value(low) - slope * low, self.value(high) - slope * high
        width = high - low
        least, most = _spread(self.second, low, high, self.second_turns, self.second_range)
        a, b = _spread(self.first, low, high, self.first_turns, self.first_range)
        down, up = (slope - a).clamp(min=0), (b - slope).clamp(min=0)
        roof = torch.where(down + up > 0, down * up * width / (down + up), torch.zeros_like(low))
        below = torch.minimum(most.clamp(min=0) * width**2 / 8, roof)
        above = torch.minimum((-least).clamp(min=0) * width**2 / 8, roof)
        return torch.minimum(at_low, at_high) - below, torch.maximum(at_low, at_high) + above


def _spread(
    function: Function,
    low: Tensor,
    high: Tensor,
    turns: tuple[float, ...],
    known: tuple[float, float] | None,
) -> tuple[Tensor, Tensor]:
    """The least and the largest value of a function on [low, high], given where it turns.

    A turn is known to twelve digits; there the function is flat, so that its value is exact.
    """
    if known is not None:
        return torch.full_like(low, known[0]), torch.full_like(low, known[1])
    ends = function(low), function(high)
    least, most = torch.minimum(*ends), torch.maximum(*ends)
    for turn in turns:
        inside = (low <= turn + 1e-9) & (high >= turn - 1e-9)
        there = function(torch.full_like(low, turn))
        least = torch.where(inside, torch.minimum(least, there), least)
        most = torch.where(inside, torch.maximum(most, there), most)
    spare = room() * (1 + least.abs() + most.abs())
    return least - spare, most + spare
