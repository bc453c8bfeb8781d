"""Straight paths: lines and polygons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from isthmus.ground import BadInput, Params, lerp
from isthmus.ground.params import is_real_valued
from isthmus.landscape.paths import AbstractPath, require_alike


@final
@dataclass(frozen=True, eq=False)
class Line(AbstractPath):
    """The segment (1 - t) a + t b, exact at both ends; integer tensors are those of ``a``.

    Raises:
        UnknownName: The names differ.
        ShapeMismatch: Two shapes differ.
        DtypeMismatch: Two dtypes differ.
    """

    a: Mapping[str, Tensor]
    b: Mapping[str, Tensor]
    kind = "linear"

    def __post_init__(self) -> None:
        require_alike(self.a, self.b)

    def _at(self, t: float) -> Params:
        return lerp(self.a, self.b, t)

    def derivative_bounds(self, t: float, within: float) -> tuple[float, float]:
        """Zero."""
        return 0.0, 0.0

    def jet(self, t: float, order: int = 2) -> list[Params]:
        """The point, b - a, and zeros."""
        return _straight(self(t), self.a, self.b, 1.0)[: order + 1]


@final
@dataclass(frozen=True, eq=False)
class Polygon(AbstractPath):
    """Segments from point to point, each for an equal part of t; integer tensors of the first.

    Raises:
        BadInput: There are fewer than two points.
        UnknownName: The names differ; so ShapeMismatch and DtypeMismatch.
    """

    points: Sequence[Mapping[str, Tensor]]
    kind = "linear"

    def __post_init__(self) -> None:
        if len(self.points) < 2:
            raise BadInput(
                f"a polygon of {len(self.points)} points, expected at least 2", "give more points"
            )
        for point in self.points[1:]:
            require_alike(self.points[0], point)

    @property
    def breaks(self) -> tuple[float, ...]:
        """The inner points."""
        pieces = len(self.points) - 1
        return tuple(k / pieces for k in range(1, pieces))

    def jet(self, t: float, order: int = 2) -> list[Params]:
        """As of the segment at ``t``."""
        k, _ = self._place(t)
        pieces = len(self.points) - 1
        return _straight(self(t), self.points[k], self.points[k + 1], pieces)[: order + 1]

    def _place(self, t: float) -> tuple[int, float]:
        """The segment at ``t``, and where in it."""
        pieces = len(self.points) - 1
        k = min(int(t * pieces), pieces - 1)
        return k, t * pieces - k

    def _at(self, t: float) -> Params:
        k, place = self._place(t)
        here = lerp(self.points[k], self.points[k + 1], place)
        first = self.points[0]
        return {n: x if is_real_valued(x) else first[n] for n, x in here.items()}


def _straight(
    here: Params, a: Mapping[str, Tensor], b: Mapping[str, Tensor], pace: float
) -> list[Params]:
    """The jet of a segment that is passed in 1 / ``pace``."""
    names = [name for name, x in here.items() if is_real_valued(x)]
    velocity = {name: pace * (b[name] - a[name]) for name in names}
    return [
        {name: here[name] for name in names},
        velocity,
        {name: torch.zeros_like(x) for name, x in velocity.items()},
    ]
