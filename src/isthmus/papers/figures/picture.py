"""A picture: marks in pixels from the upper left corner, in tones that have a light and a dark."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

Point: TypeAlias = "tuple[float, float]"

TONES = {
    "paper": ("#ffffff", "#181f27"),
    "ink": ("#1b2430", "#e8e6df"),
    "soft": ("#5c6775", "#9aa5b1"),
    "rule": ("#d9d4c8", "#2b343f"),
    "teal": ("#0b7a75", "#4fd1c5"),
    "red": ("#c8413f", "#ff7a70"),
    "amber": ("#b4770d", "#f0b955"),
    "blue": ("#4863c7", "#8fa5ff"),
    "purple": ("#7f4fa6", "#c19be6"),
    "green": ("#4f9d3a", "#8fd67c"),
    "grey": ("#8a94a0", "#7d8894"),
}
"""The colours there are, on light and on dark paper."""


@dataclass(frozen=True)
class Line:
    """A line through points; dashed where ``dash`` is the length of a dash."""

    points: tuple[Point, ...]
    tone: str
    width: float = 2.0
    dash: float = 0.0


@dataclass(frozen=True)
class Patch:
    """A filled area."""

    points: tuple[Point, ...]
    tone: str
    opacity: float = 0.15


@dataclass(frozen=True)
class Dot:
    """A disc."""

    at: Point
    tone: str
    radius: float = 3.5


@dataclass(frozen=True)
class Text:
    """Words on a base line: ``anchor`` is 0 where they begin at the place, 1 where they end."""

    at: Point
    text: str
    tone: str = "ink"
    anchor: float = 0.0
    size: float = 13.0
    bold: bool = False


Mark: TypeAlias = "Line | Patch | Dot | Text"


@dataclass(frozen=True)
class Picture:
    """Marks, later ones over earlier ones."""

    title: str
    width: float
    height: float
    marks: tuple[Mark, ...]


def beside(title: str, *pictures: Picture, columns: int = 0) -> Picture:
    """Pictures in rows of ``columns`` (all in one row if 0), under one title."""
    across = columns or len(pictures)
    rows = [pictures[k : k + across] for k in range(0, len(pictures), across)]
    marks: list[Mark] = [Text((16, 26), title, size=17, bold=True)]
    top, width = 40.0, 0.0
    for row in rows:
        left = 0.0
        for one in row:
            marks += [moved(mark, left, top) for mark in one.marks]
            left += one.width
        width = max(width, left)
        top += max(one.height for one in row)
    return Picture(title, width, top, tuple(marks))


def moved(mark: Mark, right: float, down: float) -> Mark:
    """The mark elsewhere."""
    if isinstance(mark, Line | Patch):
        return replace(mark, points=tuple((x + right, y + down) for x, y in mark.points))
    return replace(mark, at=(mark.at[0] + right, mark.at[1] + down))
