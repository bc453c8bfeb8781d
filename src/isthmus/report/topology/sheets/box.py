"""The box around a surface: its far walls with lines, and its axes with names and numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from isthmus.report.canvas import Line, Shape, Words, number
from isthmus.report.topology.sheets.solid import View

REACH = 1.8
"""What of the view a picture holds, in halves of the box."""

_MARKS = (-1.0, -0.5, 0.0, 0.5, 1.0)
_NUMBERS, _NAMES = 0.2, 0.42


@dataclass(frozen=True, eq=False)
class Box:
    """The box from (-1, -1, -1) to (1, 1, 1) on a page.

    Attributes:
        view: How it is seen.
        width: Of its square picture, in pixels.
        top: Where that begins on the page.
    """

    view: View
    width: float
    top: float

    def at(self, point: Sequence[float]) -> tuple[float, float]:
        """Where a point of the box is on the page."""
        x, y, _ = self.view.seen(np.array([point], dtype=np.float64))[0]
        scale = self.width / (2 * REACH)
        return float((x + REACH) * scale), float(self.top + (REACH - y) * scale)

    @property
    def far(self) -> tuple[float, ...]:
        """The corner that is farthest away."""
        return tuple(float(side) for side in np.sign(self.view.axes[2]))

    def walls(self) -> Iterator[Shape]:
        """Lines on the three walls behind the surface."""
        for axis in range(3):
            first, second = (k for k in range(3) if k != axis)
            for along, across in ((first, second), (second, first)):
                for mark in _MARKS:
                    ends = np.full((2, 3), self.far[axis])
                    ends[:, across] = mark
                    ends[:, along] = (-1.0, 1.0)
                    yield Line([self.at(end) for end in ends.tolist()], "rule", 1.0)

    def labels(self, names: Sequence[str], sizes: Sequence[float]) -> Iterator[Shape]:
        """Names of the three axes and numbers outside of the box, where each goes to its size."""
        near = [-side for side in self.far]
        for axis in (0, 1):
            place = [near[0], near[1], self.far[2]]
            out = 1 - axis
            for mark in _MARKS:
                place[axis], place[out] = mark, near[out] * (1 + _NUMBERS)
                x, y = self.at(place)
                yield Words(x, y + 4, number(mark * sizes[axis]), "soft", 12, "middle")
            place[axis], place[out] = 0.0, near[out] * (1 + _NAMES)
            x, y = self.at(place)
            yield Words(x, y + 5, names[axis], "ink", 15, "middle", bold=True)
        edge = self._left_edge()
        for mark in _MARKS:
            x, y = self.at((*edge, mark))
            yield Words(x - 10, y - 1, number(mark * sizes[2]), "soft", 12, "end")
        x, y = self.at((*edge, 1.0))
        yield Words(x, y - 16, names[2], "ink", 15, "middle", bold=True)

    def _left_edge(self) -> tuple[float, float]:
        """Where the upright edge stands that is seen farthest to the left."""
        corners = [(a, b) for a in (-1.0, 1.0) for b in (-1.0, 1.0)]
        return min(corners, key=lambda corner: self.at((*corner, 0.0))[0])
