"""A picture as PNG on light paper: drawn at three times its size, for soft edges."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np

from isthmus.ground import MissingExtra
from isthmus.papers.figures.picture import TONES, Dot, Line, Patch, Picture, Point, Text

_FINE = 3


def png(picture: Picture, scale: float = 2.0) -> bytes:
    """The whole file, of ``scale`` times the picture's size.

    Raises:
        MissingExtra: Pillow is not installed.
    """
    try:
        from PIL import Image, ImageDraw
    except ImportError:
        raise MissingExtra(
            "a picture as PNG needs Pillow, which is missing", "pip install 'isthmus[data]'"
        ) from None
    size = (round(picture.width * scale), round(picture.height * scale))
    image = Image.new("RGB", (size[0] * _FINE, size[1] * _FINE), TONES["paper"][0])
    pen = _Pen(ImageDraw.Draw(image, "RGBA"), scale * _FINE)
    for mark in picture.marks:
        pen.draw(mark)
    out = io.BytesIO()
    image.resize(size, Image.Resampling.BOX).save(out, "PNG", optimize=True)
    return out.getvalue()


class _Pen:
    """Draws marks on an image."""

    def __init__(self, image: Any, scale: float) -> None:
        self.image, self.scale = image, scale

    def draw(self, mark: Line | Patch | Dot | Text) -> None:
        colour = TONES[mark.tone][0]
        if isinstance(mark, Line):
            width = max(1, round(mark.width * self.scale))
            for piece in _dashes(mark.points, mark.dash) if mark.dash else [mark.points]:
                places = self._places(piece)
                self.image.line(places, fill=colour, width=width, joint="curve")
        elif isinstance(mark, Patch):
            opacity = f"{round(mark.opacity * 255):02x}"
            self.image.polygon(self._places(mark.points), fill=colour + opacity)
        elif isinstance(mark, Dot):
            (x, y), r = self._places((mark.at,))[0], mark.radius * self.scale
            self.image.ellipse((x - r, y - r, x + r, y + r), fill=colour)
        else:
            self._write(mark, colour)

    def _write(self, mark: Text, colour: str) -> None:
        font = _font(mark.size * self.scale)
        x, y = self._places((mark.at,))[0]
        x -= mark.anchor * font.getlength(mark.text)
        stroke = round(0.02 * mark.size * self.scale) if mark.bold else 0
        self.image.text((x, y), mark.text, fill=colour, font=font, anchor="ls", stroke_width=stroke)

    def _places(self, points: tuple[Point, ...]) -> list[Point]:
        return [(x * self.scale, y * self.scale) for x, y in points]


def _font(size: float) -> Any:
    """DejaVu, which has mathematical signs, where it is installed; else Pillow's own."""
    from PIL import ImageFont

    try:
        return ImageFont.truetype("DejaVuSans.ttf", size)
    except OSError:
        return ImageFont.load_default(size)


def _dashes(points: tuple[Point, ...], dash: float) -> Iterator[tuple[Point, ...]]:
    """Pieces of a line, ``dash`` long, with gaps a fifth longer."""
    x, y = np.array(points).T
    along = np.concatenate([[0.0], np.hypot(np.diff(x), np.diff(y)).cumsum()])
    for begin in np.arange(0.0, along[-1], 2.2 * dash):
        end = min(begin + dash, along[-1])
        inner = along[(along > begin) & (along < end)]
        places = np.concatenate([[begin], inner, [end]])
        yield tuple(zip(np.interp(places, along, x), np.interp(places, along, y), strict=True))
