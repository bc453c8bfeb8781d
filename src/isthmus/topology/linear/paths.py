"""Paths inside the minimum of a linear network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import final

from torch import Tensor

from isthmus.ground import Params
from isthmus.landscape.paths import AbstractPath
from isthmus.landscape.straight import Line
from isthmus.topology.linear.fibre import Curve
from isthmus.topology.linear.minimum import LinearMinimum


@final
@dataclass(frozen=True, eq=False)
class FibrePath(AbstractPath):
    """From a to b, with one product of all weights at every t (`Fibre.curve`).

    Args:
        minimum: Whose points both ends are, settled where the product forgets something.
        a: Params in float64.
        b: Likewise, with the same label.
    """

    minimum: LinearMinimum
    a: Mapping[str, Tensor]
    b: Mapping[str, Tensor]
    kind = "exact-flat"

    @cached_property
    def _curve(self) -> Curve:
        return self.minimum.fibre.curve(self.minimum.weights(self.a), self.minimum.weights(self.b))

    def _at(self, t: float) -> Params:
        if t in (0.0, 1.0):
            return {name: x.clone() for name, x in (self.b if t else self.a).items()}
        return dict(zip(self.minimum.layers, self._curve(t), strict=True))


def minimum_path(
    minimum: LinearMinimum, a: Mapping[str, Tensor], b: Mapping[str, Tensor]
) -> AbstractPath:
    """From a to b inside the minimum.

    Where the product forgets some of what the inputs tell apart, both first weights are made to
    forget it at once, on straight lines.

    Raises:
        Disconnected: a and b are in different components.
    """
    fibre = minimum.fibre
    if not fibre.forgets:
        return _whole(FibrePath(minimum, a, b))
    there, back = (
        dict(zip(minimum.layers, fibre.settled(minimum.weights(params)), strict=True))
        for params in (a, b)
    )
    middle = _whole(FibrePath(minimum, there, back))
    return Line(a, there).then(middle).then(Line(back, b))


def _whole(path: FibrePath) -> FibrePath:
    """The path, made once so that ends that cannot be joined are told at once."""
    _ = path._curve
    return path
