"""Charts of curves: logarithmic axes, bands of uncertainty, names at the curves' ends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from isthmus.report.canvas import Area, Dot, Drawing, Line, Shape, Words

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

    def at(self, value: float) -> float:
        """Where a value is, before it is stretched to the drawing."""
        return math.log10(value) if self.log else value


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
    """From values to pixels."""

    x: Axis
    y: Axis
    width: float
    height: float
    right: float
    span: tuple[float, float, float, float]

    def place(self, x: float, y: float) -> Point:
        low, high, bottom, top = self.span
        across = (self.x.at(x) - low) / (high - low)
        up = (self.y.at(y) - bottom) / (top - bottom)
        return (
            _LEFT + across * (self.width - _LEFT - self.right),
            self.height - _BOTTOM - up * (self.height - _TOP - _BOTTOM),
        )


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
    frame = _Frame(x, y, width, height, 26 + 7.6 * names, _span(shown, x, y))
    marks: list[Shape] = [Words(16, 22, title, size=14, bold=True), *_axes(frame)]
    for one in shown:
        if one.band:
            band = tuple(frame.place(*p) for p in one.band)
            marks.append(Area(band, one.series.tone, opacity=0.13))
    for one in shown:
        way = tuple(frame.place(*point) for point in one.points)
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


def _span(shown: Sequence[_Shown], x: Axis, y: Axis) -> tuple[float, float, float, float]:
    """What the drawing shows, with a margin: left, right, bottom, top."""
    points = [point for one in shown for point in (*one.points, *one.band)]
    out: list[float] = []
    for axis, values in ((x, [p[0] for p in points]), (y, [p[1] for p in points])):
        places = [axis.at(value) for value in values] or [0.0]
        low, high = min(places), max(places)
        margin = 0.05 * (high - low) or 0.5
        out += [low - margin, high + margin]
    return (out[0], out[1], out[2], out[3])


def ticks(low: float, high: float, log: bool) -> list[float]:
    """Round values between two places of an axis (their logarithms to base 10 on a log axis)."""
    if log:
        every = max(1, math.ceil((high - low) / 8))
        decades = [k for k in range(math.floor(low), math.ceil(high) + 1) if k % every == 0]
        steps = (1,) if high - low > 2.5 else (1, 2, 5)
        values = [step * 10.0**decade for decade in decades for step in steps]
        return [value for value in values if low <= math.log10(value) <= high]
    raw = (high - low) / 5
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(unit * k for k in (1, 2, 2.5, 5, 10) if unit * k >= raw)
    first = math.ceil(low / step)
    return [k * step for k in range(first, math.floor(high / step) + 1)]


def _axes(frame: _Frame) -> list[Shape]:
    left, right, bottom, top = frame.span
    marks: list[Shape] = []
    edge = frame.width - frame.right
    for value in ticks(bottom, top, frame.y.log) if frame.y.numbers else ():
        _, y = frame.place(1.0, value)
        marks.append(Line(((_LEFT, y), (edge, y)), "rule", 1))
        marks.append(Words(_LEFT - 8, y + 4, f"{value:g}", "soft", 12, "end"))
    base = frame.height - _BOTTOM
    for value in ticks(left, right, frame.x.log) if frame.x.numbers else ():
        x, _ = frame.place(value, 1.0)
        marks.append(Line(((x, base), (x, base + 4)), "soft", 1))
        marks.append(Words(x, base + 19, f"{value:g}", "soft", 12, "middle"))
    marks.append(Line(((_LEFT, base), (edge, base)), "soft", 1))
    marks.append(Words((_LEFT + edge) / 2, base + 38, frame.x.label, "soft", 12, "middle"))
    marks.append(Words(16, _TOP - 10, frame.y.label, "soft", 12))
    return marks


def _names(frame: _Frame, shown: Sequence[_Shown]) -> list[Shape]:
    """The curves' names to the right of their last points, none on another."""
    ends = [(frame.place(*one.points[-1]), one.series) for one in shown if one.points]
    ends.sort(key=lambda end: end[0][1])
    heights = [place[1] for place, _ in ends]
    for _ in range(200):
        for k in range(len(heights) - 1):
            short = _APART - (heights[k + 1] - heights[k])
            if short > 0:
                heights[k], heights[k + 1] = heights[k] - short / 2, heights[k + 1] + short / 2
    edge = frame.width - frame.right + 8
    return [
        Words(edge, y + 4, series.name, series.tone, 12.5)
        for y, (_, series) in zip(heights, ends, strict=True)
    ]
