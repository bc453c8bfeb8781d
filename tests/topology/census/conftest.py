"""A landscape drawn by hand."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from isthmus.ground import Params
from isthmus.landscape import Loss

Height = Callable[[Tensor], Tensor]


class Hills(nn.Module):
    """Its loss is a function of a point in the plane, and what a sample adds to it."""

    def __init__(self, height: Height) -> None:
        super().__init__()
        self.height = height
        self.point = nn.Parameter(torch.zeros(2, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return self.height(self.point) + x


def mean(outputs: Tensor, _: Tensor) -> Tensor:
    """The criterion."""
    return outputs.mean()


def hills(height: Height, added: Tensor | None = None) -> Loss:
    """The loss of a height, with what the samples add: nothing if not given."""
    x = torch.zeros(4, 1, dtype=torch.float64) if added is None else added
    return Loss(Hills(height), [(x, x)], mean)


def ring(point: Tensor) -> Tensor:
    """0 on the unit circle, 1 in its middle."""
    return (point.square().sum() - 1).square()


def wells(point: Tensor) -> Tensor:
    """0 at four points (±1, ±1); saddles of 1 where the first number changes sign, else of 2."""
    first, second = (point.square() - 1).square()
    return first + 2 * second


def at(*numbers: float) -> Params:
    """A point of the plane."""
    return {"point": torch.tensor(numbers, dtype=torch.float64)}


FOUR = [at(-1, -1), at(1, -1), at(-1, 1), at(1, 1)]
"""The wells."""
