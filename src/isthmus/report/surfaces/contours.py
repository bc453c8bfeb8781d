"""Levels and contour lines of a surface, by marching squares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from isthmus.landscape.maps import Surface

Grid: TypeAlias = NDArray[np.float64]
Place: TypeAlias = tuple[float, float]


def heights(surface: Surface) -> Grid:
    """The losses, shape (len(y), len(x)); what is not finite as high as the highest that is."""
    grid = np.array(surface.losses, dtype=np.float64)
    finite = grid[np.isfinite(grid)]
    return np.where(np.isfinite(grid), grid, finite.max() if finite.size else 0.0)


def levels(grid: Grid, count: int = 10) -> list[float]:
    """Losses between which the map has equal areas: the long tail of a loss would hide all."""
    shares = np.arange(1, count) / count
    return sorted({float(value) for value in np.quantile(grid, shares)})


def shade(grid: Grid, bounds: Sequence[float]) -> Grid:
    """Every height as a number from 0 to 1 that grows by equal steps from level to level."""
    low, high = float(grid.min()), float(grid.max())
    marks = [low, *(bound for bound in bounds if low < bound < high), high]
    return np.asarray(np.interp(grid, marks, np.linspace(0, 1, len(marks))))


def segments(
    x: Sequence[float], y: Sequence[float], grid: Grid, level: float
) -> Iterator[tuple[Place, Place]]:
    """The pieces of the line on which the surface, linear on edges, has this height."""
    for j in range(len(y) - 1):
        for i in range(len(x) - 1):
            corners = [(x[i], y[j]), (x[i + 1], y[j]), (x[i + 1], y[j + 1]), (x[i], y[j + 1])]
            values = [grid[j, i], grid[j, i + 1], grid[j + 1, i + 1], grid[j + 1, i]]
            cuts = []
            for k in range(4):
                a, b = values[k], values[(k + 1) % 4]
                if (a < level) != (b < level):
                    (ax, ay), (bx, by) = corners[k], corners[(k + 1) % 4]
                    share = float((level - a) / (b - a))
                    cuts.append((ax + share * (bx - ax), ay + share * (by - ay)))
            if len(cuts) == 4 and (sum(values) / 4 < level) != (values[0] < level):
                cuts = cuts[1:] + cuts[:1]  # at a saddle, the middle decides what is joined
            yield from zip(cuts[::2], cuts[1::2], strict=True)
