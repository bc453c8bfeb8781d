"""Shapes of a drawing, and the drawing as SVG."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from isthmus.report.surfaces.raster import png
from isthmus.report.topology.canvas.colours import DARK, LIGHT
from isthmus.report.topology.canvas.scales import Cursor

Points: TypeAlias = "Sequence[tuple[float, float]]"
FONT = 'system-ui,-apple-system,"Segoe UI",sans-serif'


@dataclass(frozen=True)
class Line:
    """A line through points; ``colour`` is a tone or a code, as everywhere here."""

    points: Points
    colour: str = "ink"
    width: float = 1.5
    dashed: bool = False
    tip: str = ""


@dataclass(frozen=True)
class Area:
    """A filled polygon."""

    points: Points
    colour: str
    tip: str = ""


@dataclass(frozen=True)
class Dot:
    """A disc with an edge."""

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

    def svg(self) -> str:
        """One self-contained SVG, which follows the reader's choice of light or dark."""
        size = f"{self.width:.0f} {self.height:.0f}"
        return (
            f'<svg class="topology" xmlns="http://www.w3.org/2000/svg" role="img" '
            f'viewBox="0 0 {size}" width="{self.width:.0f}" height="{self.height:.0f}">'
            f"<title>{escape(self.title)}</title><style>{_STYLE}</style>"
            f'<rect class="paper" width="100%" height="100%"/>'
            f"{''.join(map(_written, self.shapes))}</svg>"
        )


def _rules() -> str:
    """The style sheet: each tone as the paint of areas and, with ``-line``, of lines."""

    def tones(values: dict[str, str]) -> str:
        return "".join(
            f".topology .{name}{{fill:{code}}}.topology .{name}-line{{stroke:{code}}}"
            for name, code in values.items()
        )

    dark = f"@media(prefers-color-scheme:dark){{{tones(DARK)}}}"
    return f".topology text{{font-family:{FONT}}}{tones(LIGHT)}{dark}"


_STYLE = _rules()


def _paint(colour: str, kind: str = "fill") -> str:
    if colour in LIGHT:
        return f'class="{colour}{"-line" if kind == "stroke" else ""}"'
    return f'{kind}="{colour}"'


def _way(points: Points) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _tipped(drawn: str, tip: str) -> str:
    return f"<g><title>{escape(tip)}</title>{drawn}</g>" if tip else drawn


def _written(shape: Shape) -> str:
    """A shape as SVG."""
    match shape:
        case Line(points, colour, width, dashed, tip):
            dash = ' stroke-dasharray="3 4"' if dashed else ""
            drawn = (
                f'<path d="{_way(points)}" {_paint(colour, "stroke")} fill="none" '
                f'stroke-width="{width:g}" stroke-linejoin="round"{dash}/>'
            )
        case Area(points, colour, tip):
            drawn = f'<path d="{_way(points)}Z" {_paint(colour)}/>'
        case Dot(x, y, radius, colour, edge, tip):
            drawn = (
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius + 1.5:g}" {_paint(edge)}/>'
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" {_paint(colour)}/>'
            )
        case Words():
            return _lettered(shape)
        case Pixels(x, y, width, height, image, smooth):
            style = "" if smooth else ' style="image-rendering:pixelated"'
            data = base64.b64encode(png(image)).decode()
            return (
                f'<image x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
                f'preserveAspectRatio="none"{style} '
                f'href="data:image/png;base64,{data}"/>'
            )
    return _tipped(drawn, tip)


def _lettered(words: Words) -> str:
    more = ' font-weight="600"' if words.bold else ""
    if words.halo:
        more += ' paint-order="stroke" stroke="#ffffff" stroke-width="3.5"'
    if words.upwards:
        more += f' transform="rotate(-90 {words.x:.1f} {words.y:.1f})"'
    return (
        f'<text x="{words.x:.1f}" y="{words.y:.1f}" font-size="{words.size:g}" '
        f'{_paint(words.colour)} text-anchor="{words.anchor}"{more}>{escape(words.text)}</text>'
    )
