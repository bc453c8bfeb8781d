"""Functions of one variable, and strips in which they lie over an interval."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from isthmus.landscape.enclosures.rounding import room

Function = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Strip:
    """Where a function lies over [low, high]: slope·y + least <= f(y) <= slope·y + most.

    Attributes:
        slope: Of the strip; that of the chord, or near to it.
        least: The lower edge.
        most: The upper edge.
        size: The absolute values that were added up, by which rounding counts.
    """

    slope: Tensor
    least: Tensor
    most: Tensor
    size: Tensor


class Curve(Protocol):
    """A function that can be enclosed."""

    @property
    def domain(self) -> float:
        """It is defined above this."""
        ...

    def over(self, low: Tensor, high: Tensor) -> Strip:
        """A strip around it over [low, high], but for rounding."""
        ...


@dataclass(frozen=True)
class Bent:
    """A continuous function that is linear between its kinks."""

    value: Function
    kinks: tuple[float, ...]
    domain: float = -math.inf

    def over(self, low: Tensor, high: Tensor) -> Strip:
        """Its residue is least and largest at the ends or at kinks: elsewhere it is linear."""
        ends = self.value(low), self.value(high)
        width = high - low
        slope = torch.where(width > 0, (ends[1] - ends[0]) / width, 0.0)
        strip = _through(low, high, ends, slope)
        least, most = strip.least, strip.most
        for kink in self.kinks:
            inside = (low < kink) & (kink < high)
            there = self.value(low.new_full((), kink)) - slope * kink
            least = torch.where(inside, torch.minimum(least, there), least)
            most = torch.where(inside, torch.maximum(most, there), most)
        return replace(strip, least=least, most=most)


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
        domain: It is defined above this.
    """

    value: Function
    first: Function
    second: Function
    first_turns: tuple[float, ...] = ()
    second_turns: tuple[float, ...] = ()
    first_range: tuple[float, float] | None = None
    second_range: tuple[float, float] | None = None
    domain: float = -math.inf

    def over(self, low: Tensor, high: Tensor) -> Strip:
        """From the second derivative, or from the first where that says more.

        With g = f - slope·y and f'' in [m, M], g - M(y - low)(y - high)/2 is concave, so g lies at
        most max(M, 0)·width²/8 below its lower end; so above with -m. With f' in [a, b], g rises at
        most at b - slope from the one end and at most at slope - a towards it from the other.
        """
        ends = self.value(low), self.value(high)
        width = high - low
        fine = width > 1e-6 * (1 + low.abs() + high.abs())  # else rounding would blur the chord
        slope = torch.where(fine, (ends[1] - ends[0]) / width, self.first(low + width / 2))
        strip = _through(low, high, ends, slope)
        m, most = _spread(self.second, low, high, self.second_turns, self.second_range)
        a, b = _spread(self.first, low, high, self.first_turns, self.first_range)
        down, up = (slope - a).clamp(min=0), (b - slope).clamp(min=0)
        roof = torch.where(down + up > 0, down * up * width / (down + up), 0.0)
        below = torch.minimum(most.clamp(min=0) * width**2 / 8, roof)
        above = torch.minimum((-m).clamp(min=0) * width**2 / 8, roof)
        return replace(
            strip,
            least=strip.least - below,
            most=strip.most + above,
            size=strip.size + below + above,
        )


def _through(low: Tensor, high: Tensor, ends: tuple[Tensor, Tensor], slope: Tensor) -> Strip:
    """The strip through both ends."""
    lines = slope * low, slope * high
    residues = ends[0] - lines[0], ends[1] - lines[1]
    size = (1 + slope.abs()) * (low.abs() + high.abs()) + ends[0].abs() + ends[1].abs()
    return Strip(slope, torch.minimum(*residues), torch.maximum(*residues), size)


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
        return low.new_full((), known[0]), low.new_full((), known[1])
    ends = function(low), function(high)
    least, most = torch.minimum(*ends), torch.maximum(*ends)
    for turn in turns:
        inside = (low <= turn + 1e-9) & (high >= turn - 1e-9)
        there = function(low.new_full((), turn))
        least = torch.where(inside, torch.minimum(least, there), least)
        most = torch.where(inside, torch.maximum(most, there), most)
    spare = room() * (1 + least.abs() + most.abs())
    return least - spare, most + spare
