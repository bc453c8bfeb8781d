"""Segments from point to point in the coordinates in which a symmetry acts linearly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

from torch import Tensor

from isthmus.algebra import Symmetry
from isthmus.ground import Params
from isthmus.landscape.paths import AbstractPath
from isthmus.landscape.straight import Polygon


@final
@dataclass(frozen=True, eq=False)
class Segments(AbstractPath):
    """A polygon in coordinates: straight segments of parameters too, where there is no chart.

    Args:
        symmetry: Whose coordinates.
        points: At least two of them, in coordinates.
        like: Params with the names, dtypes and free coordinates of the path.

    Raises:
        BadInput: There are fewer than two points.
    """

    symmetry: Symmetry
    points: Sequence[Mapping[str, Tensor]]
    like: Mapping[str, Tensor]
    kind = "constructed"

    def __post_init__(self) -> None:
        assert self._polygon is not None

    @cached_property
    def _polygon(self) -> Polygon:
        return Polygon(self.points)

    @property
    def breaks(self) -> tuple[float, ...]:
        """The inner points."""
        return self._polygon.breaks

    def jet(self, t: float, order: int = 2) -> list[Params]:
        """As of the segment at ``t``; by differences through a chart."""
        if self.symmetry.chart.steps:
            return super().jet(t, order)
        return self._polygon.jet(t, order)

    def _at(self, t: float) -> Params:
        return self.symmetry.parameters(self._polygon(t), self.like)
