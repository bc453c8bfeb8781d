"""Paths inside the minimum of a linear network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

from torch import Tensor

from isthmus.ground import Params
from isthmus.landscape.paths import AbstractPath
from isthmus.landscape.straight import Line
from isthmus.topology.linear.fibre import Curve

if TYPE_CHECKING:
    from isthmus.topology.linear.minimum import LinearMinimum


@final
@dataclass(frozen=True, eq=False)
class FibrePath(AbstractPath):
    """From a to b, with one product of all weights at every t (`Fibre.curve`).

    Args:
        minimum: Whose points both ends are, settled where the product forgets something.
        a: Params in float64.
        b: Likewise, with the same label.

    Raises:
        Disconnected: The labels differ.
    """

    minimum: LinearMinimum
    a: Mapping[str, Tensor]
    b: Mapping[str, Tensor]
    kind = "exact-flat"
    _curve: Curve = field(init=False, repr=False)

    def __post_init__(self) -> None:
        ends = (self.minimum.weights(params) for params in (self.a, self.b))
        object.__setattr__(self, "_curve", self.minimum.fibre.curve(*ends))

    def _at(self, t: float) -> Params:
        if t in (0.0, 1.0):
            return {name: x.clone() for name, x in (self.b if t else self.a).items()}
        return self.minimum.named(self._curve(t))


def linear_path(
    minimum: LinearMinimum, a: Mapping[str, Tensor], b: Mapping[str, Tensor]
) -> AbstractPath:
    """From a to b inside the minimum.

    Where the product forgets some of what the inputs tell apart, both first weights are made to
    forget it at once, on straight lines.

    Raises:
        Disconnected: a and b are in different components.
    """
    if not minimum.fibre.forgets:
        return FibrePath(minimum, a, b)
    there, back = (
        minimum.named(minimum.fibre.settled(minimum.weights(params))) for params in (a, b)
    )
    return Line(a, there).then(FibrePath(minimum, there, back)).then(Line(back, b))
