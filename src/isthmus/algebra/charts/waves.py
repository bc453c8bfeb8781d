"""Steps of a chart at exponentials and waves: a bias in front is a factor or a turn behind.

``exp(z + b) = e^b exp z``; ``cos(z + b)`` and ``sin(z + b)`` are those of z turned by b; half turns
change the sign of a sine alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from isthmus.algebra.charts.step import Working
from isthmus.algebra.charts.vectors import columns, taken

HALF_TURN = math.pi
"""The period of sine and cosine up to sign."""


@dataclass(frozen=True, slots=True)
class Rise:
    """Columns of a weight multiplied by ``exp(factor b)``; the bias b is left as it is.

    ``take[i]`` is the entry of the bias that column i feels, or -1.
    """

    bias: str
    weight: str
    dim: int
    take: tuple[int, ...]
    factor: float = 1.0
    kind: ClassVar[str] = "rise"

    def forward(self, x: Working) -> None:
        """Multiply."""
        x[self.weight] = x[self.weight] * self._risen(x, self.factor)

    def back(self, x: Working) -> None:
        """Divide."""
        x[self.weight] = x[self.weight] * self._risen(x, -self.factor)

    def _risen(self, x: Working, factor: float) -> Tensor:
        return columns(torch.exp(factor * taken(x[self.bias], self.take)), x[self.weight], self.dim)


@dataclass(frozen=True, slots=True)
class Turn:
    """Pairs of columns, of the cosine and the sine of one unit, turned by ``factor b``.

    Column ``cosines[j]`` pairs with ``sines[j]``; both feel entry ``entries[j]`` of the bias, which
    is left as it is.
    """

    bias: str
    weight: str
    dim: int
    cosines: tuple[int, ...]
    sines: tuple[int, ...]
    entries: tuple[int, ...]
    factor: float = 1.0
    kind: ClassVar[str] = "turn"

    def forward(self, x: Working) -> None:
        """Turn."""
        self._turn(x, self.factor)

    def back(self, x: Working) -> None:
        """Turn back."""
        self._turn(x, -self.factor)

    def _turn(self, x: Working, factor: float) -> None:
        weight = x[self.weight].movedim(self.dim, -1)
        angle = factor * taken(x[self.bias], self.entries)
        first, second = weight[..., list(self.cosines)], weight[..., list(self.sines)]
        turned = weight.clone()
        turned[..., list(self.cosines)] = first * angle.cos() + second * angle.sin()
        turned[..., list(self.sines)] = second * angle.cos() - first * angle.sin()
        x[self.weight] = turned.movedim(-1, self.dim)


@dataclass(frozen=True, slots=True)
class Wrap:
    """Whole periods of a bias counted in a coordinate of their own.

    What is left of the bias is at least minus half a period and less than half of one. Odd
    periods change the sign of the columns of each (weight, dimension, take) in ``weights``; a take
    is as in `Rise`.
    """

    bias: str
    into: str
    period: float
    weights: tuple[tuple[str, int, tuple[int, ...]], ...]
    kind: ClassVar[str] = "wrap"

    def forward(self, x: Working) -> None:
        """Take the periods out."""
        count = torch.floor(x[self.bias] / self.period + 0.5)
        x[self.bias] = x[self.bias] - self.period * count
        x[self.into] = count.flatten()
        self._sign(x, x[self.into])

    def back(self, x: Working) -> None:
        """Put them back."""
        count = x.pop(self.into)
        x[self.bias] = x[self.bias] + self.period * count.reshape(x[self.bias].shape)
        self._sign(x, count)

    def _sign(self, x: Working, count: Tensor) -> None:
        # Counts are whole but for rounding; an odd one is a factor of minus one.
        odd = torch.remainder(count.round(), 2)
        for name, dim, take in self.weights:
            felt = 1 - 2 * taken(odd, take)
            x[name] = x[name] * columns(felt, x[name], dim)
