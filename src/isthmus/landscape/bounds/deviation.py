"""How far the chord of a path is from it, measured from samples of the path."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicHermiteSpline

from isthmus.ground import Params
from isthmus.landscape.geometry import dot

_CHORD = 129
_FINER = 8

Floats = npt.NDArray[np.float64]


class Deviation:
    """Collects samples, and measures the distance from the chord to the nearest of the path.

    Of each sample four numbers are kept, ``‖x - a‖²`` and ``<x - a, b - a>`` and their slopes. With
    them the distance to every point of the chord from a to b is known at any t in between, by
    cubics.

    Args:
        start: a.
        end: b.
    """

    def __init__(self, start: Params, end: Params) -> None:
        self._start, self._chord = start, _minus(end, start)
        self._rows: list[tuple[float, float, float, float, float]] = []

    @property
    def chord(self) -> float:
        """The length of the chord."""
        return math.sqrt(dot(self._chord, self._chord))

    def add(self, t: float, point: Params, velocity: Params) -> None:
        """Note a sample."""
        gone = _minus(point, self._start)
        square, along = dot(gone, gone), dot(gone, self._chord)
        slopes = 2 * dot(gone, velocity), dot(velocity, self._chord)
        self._rows.append((t, square, slopes[0], along, slopes[1]))

    def largest(self, corners: Sequence[float]) -> float:
        """The largest distance over the chord; cubics do not cross the corners."""
        rows = np.array(sorted(self._rows))
        edges = np.searchsorted(rows[:, 0], [0.0, *corners, np.inf])
        spots = np.linspace(0, 1, _CHORD)[:, None]
        nearest = np.full(_CHORD, np.inf)
        for first, last in pairwise(edges):
            here = rows[first:last]
            fine = np.linspace(here[0, 0], here[-1, 0], _FINER * len(here))
            square, along = (
                CubicHermiteSpline(here[:, 0], here[:, k], here[:, k + 1])(fine) for k in (1, 3)
            )
            gaps = square - 2 * spots * along + spots**2 * dot(self._chord, self._chord)
            nearest = np.minimum(nearest, np.sqrt(np.maximum(_lowest(gaps), 0)))
        return float(nearest.max())


def _lowest(values: Floats) -> Floats:
    """The smallest of each row, on the parabola through its smallest value and both neighbours."""
    rows = np.arange(len(values))
    at = values.argmin(1).clip(1, values.shape[1] - 2)
    left, middle, right = (values[rows, at + k] for k in (-1, 0, 1))
    bend, slope = left - 2 * middle + right, (right - left) / 2
    step = np.where(bend > 0, -slope / np.where(bend > 0, bend, 1), 0).clip(-1, 1)
    lowest: Floats = np.minimum(values.min(1), middle + slope * step + bend * step**2 / 2)
    return lowest


def _minus(a: Params, b: Params) -> Params:
    return {name: x.double() - b[name].double() for name, x in a.items()}
