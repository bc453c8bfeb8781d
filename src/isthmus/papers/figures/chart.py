"""Charts of curves: logarithmic axes, bands of uncertainty, names at the curves' ends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from isthmus.report.canvas import Area, Dot, Drawing, Line, Scale, Shape, Words

Point: TypeAlias = tuple[float, float]

_LEFT, _TOP, _BOTTOM = 58.0, 52.0, 46.0
_APART = 16.0
"""Pixels between names."""


@dataclass(frozen=True)
class Axis:
    """What an axis shows; without ``numbers`` where its places are only rows or columns."""

    label: str
    log: bool = False
    numbers: bool = True

    def scale(self, values: Sequence[float], start: float, stop: float) -> Scale:
        """Over the values, with a margin."""
        places = [math.log10(value) if self.log else value for value in values] or [0.0]
        low, high = min(places), max(places)
        margin = 0.05 * (high - low) or 0.5
        low, high = low - margin, high + margin
        if self.log:
            low, high = 10.0**low, 10.0**high
        return Scale(low, high, start, stop, self.log)


@dataclass(frozen=True)
class Series:
    """One curve; ``low`` and ``high`` bound a band around it, where they are given.

    Its points are joined by a ``line``, marked by ``dots``, or both.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    tone: str
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    dash: float = 0.0
    line: bool = True
    dots: bool = True


@dataclass(frozen=True)
class _Frame:
    """From values to pixels; ``right`` is where the axes end."""

    x: Scale
    y: Scale
    right: float
    base: float

    def place(self, point: Point) -> Point:
        return self.x(point[0]), self.y(point[1])


def chart(
    title: str,
    x: Axis,
    y: Axis,
    series: Sequence[Series],
    *,
    width: float = 520,
    height: float = 360,
) -> Drawing:
    """Curves over common axes, each with its name at its right end.

    Points that are not finite, or not positive on a logarithmic axis, are left out.
    """
    shown = [_Shown.of(one, x, y) for one in series]
    names = max((len(one.series.name) for one in shown if one.points), default=0)
    points = [point for one in shown for point in (*one.points, *one.band)]
    right, base = width - 26 - 7.6 * names, height - _BOTTOM
    across, up = [a for a, _ in points], [b for _, b in points]
    frame = _Frame(x.scale(across, _LEFT, right), y.scale(up, base, _TOP), right, base)
    marks: list[Shape] = [Words(16, 22, title, size=14, bold=True), *_axes(frame, x, y)]
    for one in shown:
        if one.band:
            band = tuple(map(frame.place, one.band))
            marks.append(Area(band, one.series.tone, opacity=0.13))
    for one in shown:
        way = tuple(map(frame.place, one.points))
        if len(way) > 1 and one.series.line:
            marks.append(Line(way, one.series.tone, 2.2, one.series.dash))
        if one.series.dots:
            marks += [Dot(a, b, 3.5, one.series.tone, "") for a, b in way]
    return Drawing(title, width, height, (*marks, *_names(frame, shown)))


@dataclass(frozen=True)
class _Shown:
    """What of a curve can be shown."""

    series: Series
    points: list[Point]
    band: list[Point]

    @classmethod
    def of(cls, one: Series, x: Axis, y: Axis) -> _Shown:
        def fits(a: float, b: float) -> bool:
            finite = math.isfinite(a) and math.isfinite(b)
            return finite and (a > 0 or not x.log) and (b > 0 or not y.log)

        points = [(a, b) for a, b in zip(one.x, one.y, strict=True) if fits(a, b)]
        band: list[Point] = []
        if one.low and one.high:
            edges = zip(one.x, one.low, one.high, strict=True)
            kept = [(a, b, c) for a, b, c in edges if fits(a, b) and fits(a, c)]
            band = [(a, b) for a, b, _ in kept] + [(a, c) for a, _, c in reversed(kept)]
        return cls(one, points, band)


def _axes(frame: _Frame, x: Axis, y: Axis) -> list[Shape]:
    marks: list[Shape] = []
    for value in frame.y.ticks() if y.numbers else ():
        height = frame.y(value)
        marks.append(Line(((_LEFT, height), (frame.right, height)), "rule", 1))
        marks.append(Words(_LEFT - 8, height + 4, f"{value:g}", "soft", 12, "end"))
    base = frame.base
    for value in frame.x.ticks() if x.numbers else ():
        here = frame.x(value)
        marks.append(Line(((here, base), (here, base + 4)), "soft", 1))
        marks.append(Words(here, base + 19, f"{value:g}", "soft", 12, "middle"))
    marks.append(Line(((_LEFT, base), (frame.right, base)), "soft", 1))
    marks.append(Words((_LEFT + frame.right) / 2, base + 38, x.label, "soft", 12, "middle"))
    marks.append(Words(16, _TOP - 10, y.label, "soft", 12))
    return marks


def _names(frame: _Frame, shown: Sequence[_Shown]) -> list[Shape]:
    """The curves' names to the right of their last points, none on another."""
    ends = [(frame.place(one.points[-1]), one.series) for one in shown if one.points]
    ends.sort(key=lambda end: end[0][1])
    heights = [place[1] for place, _ in ends]
    for _ in range(200):
        for k in range(len(heights) - 1):
            short = _APART - (heights[k + 1] - heights[k])
            if short > 0:
                heights[k], heights[k + 1] = heights[k] - short / 2, heights[k + 1] + short / 2
    edge = frame.right + 8
    return [
        Words(edge, y + 4, series.name, series.tone, 12.5)
        for y, (_, series) in zip(heights, ends, strict=True)
    ]
