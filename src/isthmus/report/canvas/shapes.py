"""Shapes of a drawing: lines, areas, dots, words, pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from isthmus.report.canvas.scales import Cursor

Points: TypeAlias = "Sequence[tuple[float, float]]"


@dataclass(frozen=True)
class Line:
    """A line through points; ``colour`` is a tone or a code, as everywhere here.

    It is dashed where ``dash`` is the length of a dash.
    """

    points: Points
    colour: str = "ink"
    width: float = 1.5
    dash: float = 0.0
    tip: str = ""


@dataclass(frozen=True)
class Area:
    """A filled polygon."""

    points: Points
    colour: str
    tip: str = ""
    opacity: float = 1.0


@dataclass(frozen=True)
class Dot:
    """A disc; with an edge around it unless ``edge`` is empty."""

    x: float
    y: float
    radius: float = 4.0
    colour: str = "ink"
    edge: str = "paper"
    tip: str = ""


@dataclass(frozen=True)
class Words:
    """Text on one line.

    Attributes:
        anchor: Where of the text (x, y) is: "start", "middle" or "end", at its foot.
        upwards: Whether it runs up the page instead of across.
        halo: Whether the letters have a white edge, over a picture.
    """

    x: float
    y: float
    text: str
    colour: str = "ink"
    size: float = 13.0
    anchor: str = "start"
    upwards: bool = False
    bold: bool = False
    halo: bool = False


@dataclass(frozen=True, eq=False)
class Pixels:
    """An image, uint8 of shape (height, width, 3) or, with opacity, 4, over a rectangle.

    Attributes:
        smooth: Whether pixels are blended where it is stretched, or shown as squares.
    """

    x: float
    y: float
    width: float
    height: float
    image: NDArray[np.uint8]
    smooth: bool = False


Shape: TypeAlias = Line | Area | Dot | Words | Pixels


@dataclass(frozen=True, eq=False)
class Drawing:
    """Shapes on a page, the first at the back, in pixels from the upper left.

    ``cursor`` says where a level can be marked, if the drawing is a chart of levels.
    """

    title: str
    width: float
    height: float
    shapes: tuple[Shape, ...]
    cursor: Cursor | None = None


def beside(title: str, *drawings: Drawing, columns: int = 0) -> Drawing:
    """Drawings in rows of ``columns`` (all in one row if 0), under one title."""
    across = columns or len(drawings)
    shapes: list[Shape] = [Words(16, 26, title, size=17, bold=True)]
    top, width = 40.0, 0.0
    for start in range(0, len(drawings), across):
        row, left = drawings[start : start + across], 0.0
        for one in row:
            shapes += [moved(shape, left, top) for shape in one.shapes]
            left += one.width
        width = max(width, left)
        top += max(one.height for one in row)
    return Drawing(title, width, top, tuple(shapes))


def moved(shape: Shape, right: float, down: float) -> Shape:
    """The shape elsewhere."""
    if isinstance(shape, Line | Area):
        return replace(shape, points=tuple((x + right, y + down) for x, y in shape.points))
    return replace(shape, x=shape.x + right, y=shape.y + down)
