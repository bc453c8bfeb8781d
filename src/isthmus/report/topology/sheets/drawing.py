"""The sheets of a minimum as a picture: Figure 1 of Zhao et al., each sheet in its own colour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from isthmus.report.canvas import (
    Area,
    Drawing,
    Pixels,
    Shape,
    Words,
    component_colour,
    number,
    rgb,
)
from isthmus.report.topology.sheets.box import REACH, Box
from isthmus.report.topology.sheets.meshes import Mesh, meshes
from isthmus.report.topology.sheets.solid import Grid, Image, View
from isthmus.topology.sheets import Sheets, weight

_FINER = 2
_TOP, _ROW = 34.0, 22.0


def sheets_drawing(
    found: Sheets, section: int | None = None, width: float = 460.0, view: View | None = None
) -> Drawing:
    """The surface from one side, with its axes and the names of its sheets.

    Args:
        found: The sheets of two factors, or of three of which the third is held.
        section: The number on the axis of the value at which the third is held.
        width: Of the drawing, in pixels.
        view: From where it is seen.

    Raises:
        BadInput: There are other factors, or the section does not fit them.
    """
    parts = meshes(found, section)
    box = Box(view or View(), width, _TOP)
    subtitle = counted(found, section)
    shapes = (
        Words(24, 30, found.equation, size=17, bold=True),
        Words(24, 52, subtitle, "soft", size=14),
        *box.walls(),
        Pixels(0, _TOP, width, width, _image(found, parts, section, box), smooth=True),
        *box.labels(*axes(found)),
        *_legend(found, parts, _TOP + width),
    )
    height = _TOP + width + _ROW * len(parts) + 8
    return Drawing(f"{found.equation}: {subtitle}", width, height, shapes)


def counted(found: Sheets, section: int | None = None) -> str:
    """How many sheets there are, and which section of them is drawn."""
    words = f"{found.count} sheet{'s' * (found.count != 1)}"
    if section is None:
        return words
    return f"{words}; those that meet {weight(3)} = {number(float(found.axis[section]))}"


def axes(found: Sheets) -> tuple[Sequence[str], Sequence[float]]:
    """The names of the three axes of a picture, and how far each goes."""
    extent = float(found.axis[-1])
    names = (weight(1), weight(2), weight(found.factors + 1))
    return names, (extent, extent, 1 / found.margin)


def _legend(found: Sheets, parts: Sequence[Mesh], top: float) -> Iterator[Shape]:
    for k, part in enumerate(parts):
        y = top + _ROW * k
        square = [(24.0, y - 11), (38.0, y - 11), (38.0, y + 3), (24.0, y + 3)]
        yield Area(square, component_colour(part.sheet - 1))
        yield Words(46, y + 1, f"sheet {part.sheet}: {found.name(part.sheet)}", size=13.5)


def _image(
    found: Sheets, parts: Sequence[Mesh], section: int | None, box: Box
) -> NDArray[np.uint8]:
    """The sheets in the light, with lines of constant W_1 and W_2 on them."""
    image = Image(box.view, round(1.5 * box.width) * _FINER, REACH)
    size = np.array(axes(found)[1])
    for part in parts:
        normals = part.normals * size  # moved by the inverse of what moves points
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        paint = rgb(component_colour(part.sheet - 1))
        image.draw(part.points / size, normals, part.triangles, paint)
    for line in _lines(found, section):
        image.trace(line / size, share=0.78, radius=1)
    return image.pixels(_FINER)


def _lines(found: Sheets, section: int | None) -> Iterator[Grid]:
    """Lines on the surface at 13 values of W_1 and of W_2, NaN where there is no sheet."""
    share = 1.0 if section is None else float(found.axis[section])
    along = np.linspace(found.axis[0], found.axis[-1], 1201)
    for value in np.linspace(found.axis[0], found.axis[-1], 13):
        denominator = share * value * along + found.skip
        inside = np.abs(denominator) >= found.margin
        height = np.where(inside, 1 / np.where(inside, denominator, 1.0), np.nan)
        still = np.full_like(along, value)
        yield np.stack([still, along, height], axis=1)
        yield np.stack([along, still, height], axis=1)
