"""Persistence as pictures: how long components and loops last, as bars and as a diagram."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from isthmus.report.canvas import (
    Area,
    Cursor,
    Dot,
    Drawing,
    Line,
    Scale,
    Shape,
    Words,
    number,
)
from isthmus.report.topology.trees import Pairs, ends_of, level_axis

_KINDS = ("components", "loops", "voids")
_COLOURS = ("#0072b2", "#d55e00", "#009e73")
_LEFT, _TOP, _RIGHT = 66.0, 66.0, 24.0


def _kinds(degrees: Sequence[Pairs]) -> str:
    return ", ".join(many(len(pairs), _KINDS[k]) for k, pairs in enumerate(degrees))


def many(count: int, plural: str) -> str:
    """A number of things, as "1 loop" or "2 loops"."""
    return f"{count} {plural if count != 1 else plural[:-1]}"


def _longest(pairs: Pairs, most: int) -> list[tuple[float, float]]:
    """Those that last longest, in order of birth."""
    return sorted(sorted(pairs, key=lambda pair: (pair[0] - pair[1], pair))[:most])


def barcode_drawing(
    degrees: Sequence[Pairs],
    *,
    unit: str = "loss",
    also: Iterable[float] = (),
    most: int = 24,
    width: float = 620.0,
) -> Drawing:
    """A bar for each component and each loop, from its birth to its death.

    Args:
        degrees: Pairs (birth, death) of components, then of loops, as far as there are any; a
            death of infinity is an arrow.
        unit: What the levels are.
        also: Further levels that the scale holds, so that drawings can be compared.
        most: Bars of a kind, those that last longest.
        width: Of the drawing, in pixels.
    """
    kept = [_longest(pairs, most) for pairs in degrees]
    scale = Scale.over([*ends_of(*degrees), *also], _LEFT, width - _RIGHT - 12)
    title = f"How long {' and '.join(_KINDS[: len(degrees)])} last"
    foot = _TOP + sum(26 + 9.0 * len(pairs) for pairs in kept) + 4
    shapes: list[Shape] = [
        Words(20, 26, title, size=16, bold=True),
        Words(20, 46, _kinds(degrees), "soft", 13),
    ]
    for value in scale.ticks():
        x = scale(value)
        shapes.append(Line([(x, _TOP), (x, foot)], "rule", 1.0))
        shapes.append(Words(x, foot + 18, number(value), "soft", 12, "middle"))
    shapes.append(Words((scale.start + scale.stop) / 2, foot + 38, unit, "soft", 13, "middle"))
    y = _TOP
    for kind, colour, pairs, every in zip(_KINDS, _COLOURS, kept, degrees, strict=False):
        left_out = len(every) - len(pairs)
        more = f", {left_out} shorter ones left out" if left_out else ""
        shapes.append(Words(_LEFT, y + 16, kind + more, colour, 13, bold=True))
        shapes += _bars(pairs, scale, y + 26, colour)
        y += 26 + 9.0 * len(pairs)
    cursor = Cursor(scale, False, (_TOP - 4, foot))
    return Drawing(title, width, foot + 50, tuple(shapes), cursor)


def _bars(pairs: Pairs, scale: Scale, top: float, colour: str) -> Iterator[Shape]:
    for k, (birth, death) in enumerate(pairs):
        y, start, end = top + 9 * k, scale(birth), scale(death)
        if death == math.inf:
            end = scale.stop + 12
            yield Area([(end - 8, y - 4), (end, y), (end - 8, y + 4)], colour)
            end -= 6
        tip = f"from {number(birth)} to {number(death)}"
        yield Line([(start, y), (max(end, start + 1), y)], colour, 4.5, tip=tip)


def persistence_drawing(
    degrees: Sequence[Pairs],
    *,
    title: str = "Births and deaths",
    unit: str = "loss",
    side: float = 360.0,
) -> Drawing:
    """The persistence diagram: births across, deaths up; far above the diagonal is what lasts.

    Args:
        degrees: Pairs (birth, death) of components, then of loops, as far as there are any; a
            death of infinity is at the upper edge.
        title: Above it.
        unit: What the levels are.
        side: Of the square, in pixels.
    """
    right, foot = _LEFT + side, _TOP + side
    ends = ends_of(*degrees)
    across, up = Scale.over(ends, _LEFT, right), Scale.over(ends, foot, _TOP + 16)
    shapes: list[Shape] = [
        Words(20, 26, title, size=16, bold=True),
        Words(20, 46, _kinds(degrees), "soft", 13),
        *level_axis(up, f"death ({unit})", _LEFT, right),
        Line([(_LEFT, foot), (right, _TOP + 16)], "soft", 1.0),
        Line([(_LEFT, _TOP), (right, _TOP)], "soft", 1.0, dash=3.0),
        Words(right + 8, _TOP + 4, "never", "soft", 12),
        Words((_LEFT + right) / 2, foot + 38, f"birth ({unit})", "soft", 13, "middle"),
    ]
    for value in across.ticks(5):
        shapes.append(Words(across(value), foot + 18, number(value), "soft", 12, "middle"))
    for k, pairs in enumerate(degrees):
        y = foot - 16 - 20 * (len(degrees) - 1 - k)
        shapes.append(_mark(right + 16, y, k, ""))
        shapes.append(Words(right + 28, y + 4, _KINDS[k], "ink", 13))
        for birth, death in pairs:
            top = _TOP if death == math.inf else up(death)
            tip = f"from {number(birth)} to {number(death)}"
            shapes.append(_mark(across(birth), top, k, tip))
    return Drawing(title, right + 120, foot + 50, tuple(shapes))


def _mark(x: float, y: float, kind: int, tip: str) -> Shape:
    """A disc for a component, a square for a loop, so that colour is not all that tells them."""
    if kind == 0:
        return Dot(x, y, 4, _COLOURS[kind], tip=tip)
    corners = [(x - 4, y - 4), (x + 4, y - 4), (x + 4, y + 4), (x - 4, y + 4)]
    return Area(corners, _COLOURS[kind], tip=tip)
