"""What an experiment draws as files: its charts, and what `isthmus.report` draws already."""

from __future__ import annotations

from typing import TypeAlias

from isthmus.papers.figures.picture import Picture
from isthmus.papers.figures.png import png
from isthmus.papers.figures.svg import svg
from isthmus.report.topology.canvas import Drawing, drawing_png

Drawn: TypeAlias = "Picture | Drawing"
"""A picture of either kind."""


def as_svg(drawn: Drawn) -> str:
    """The whole SVG file."""
    return svg(drawn) if isinstance(drawn, Picture) else drawn.svg()


def as_png(drawn: Drawn) -> bytes:
    """The whole PNG file.

    Raises:
        MissingExtra: Pillow, which sets the text, is not installed.
    """
    return png(drawn) if isinstance(drawn, Picture) else drawing_png(drawn)
