"""A drawing as a PNG file, words included, by Pillow."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np

from isthmus.ground import MissingExtra
from isthmus.report.canvas.colours import rgb
from isthmus.report.canvas.shapes import Area, Dot, Drawing, Line, Pixels, Words

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

_FINER = 2
"""Drawn so many times larger and then averaged: smooth edges."""

_FONT = "DejaVuSans.ttf"
"""Has every sign; where it is not installed, the font that Pillow brings will do."""

_PLAIN = str.maketrans({"−": "-", "×": "x", "′": "'", "ε": "e", "≤": "<=", "∞": "inf"})
"""What Pillow's font has no sign for."""

_LOW = "₀₁₂₃₄₅₆₇₈₉"
Place: TypeAlias = tuple[float, float]
T = TypeVar("T")


def require_pillow() -> None:
    """Nothing, if Pillow is installed.

    Raises:
        MissingExtra: It is not.
    """
    try:
        import PIL  # noqa: F401
    except ImportError as error:
        raise MissingExtra(
            "a picture with words as PNG needs Pillow, which is not installed",
            "install it with `pip install isthmus[report]`, or take the SVG",
        ) from error


def drawing_png(drawing: Drawing, scale: float = 2.0) -> bytes:
    """A drawing as a PNG file on white.

    Args:
        drawing: What.
        scale: Pixels of the image for each of the drawing.

    Raises:
        MissingExtra: Pillow is not installed.
    """
    require_pillow()
    from PIL import Image, ImageDraw

    size = (round(drawing.width * scale), round(drawing.height * scale))
    paper = Image.new("RGB", (size[0] * _FINER, size[1] * _FINER), rgb("paper"))
    pen = _Pen(paper, ImageDraw.Draw(paper, "RGBA"), scale * _FINER)
    for shape in drawing.shapes:
        pen.draw(shape)
    file = io.BytesIO()
    paper.resize(size, Image.Resampling.BOX).save(file, "PNG")
    return file.getvalue()


class _Pen:
    """Draws shapes on an image."""

    def __init__(self, paper: Image, drawn: ImageDraw, scale: float) -> None:
        self.paper, self.drawn, self.scale = paper, drawn, scale

    def at(self, point: Place) -> Place:
        return point[0] * self.scale, point[1] * self.scale

    def draw(self, shape: Line | Area | Dot | Words | Pixels) -> None:
        match shape:
            case Line():
                self.line(shape)
            case Area(points, colour, _, opacity):
                fill = (*rgb(colour), round(255 * opacity))
                self.drawn.polygon([self.at(point) for point in points], fill=fill)
            case Dot(x, y, radius, colour, edge):
                for size, paint in ((radius + 1.5, edge), (radius, colour)):
                    if paint:
                        self.drawn.circle(self.at((x, y)), size * self.scale, fill=rgb(paint))
            case Words():
                self.words(shape)
            case Pixels():
                self.pixels(shape)

    def line(self, line: Line) -> None:
        points = [self.at(point) for point in line.points]
        width = max(1, round(line.width * self.scale))
        for piece in _dashes(points, line.dash * self.scale) if line.dash else [points]:
            self.drawn.line(piece, fill=rgb(line.colour), width=width, joint="curve")

    def pixels(self, shape: Pixels) -> None:
        from PIL import Image

        left, top = self.at((shape.x, shape.y))
        right, foot = self.at((shape.x + shape.width, shape.y + shape.height))
        size = (round(right) - round(left), round(foot) - round(top))
        how = Image.Resampling.BICUBIC if shape.smooth else Image.Resampling.NEAREST
        held = Image.fromarray(shape.image).resize(size, how).convert("RGBA")
        self.paper.paste(held, (round(left), round(top)), held)

    def words(self, words: Words) -> None:
        """Text, with a white edge where that is asked."""
        heavy = 0.35 * self.scale if words.bold else 0.0
        if words.halo:
            self._lettered(words, "paper", heavy + 1.75 * self.scale)
        self._lettered(words, words.colour, heavy)

    def _lettered(self, words: Words, colour: str, heavy: float) -> None:
        """The letters, widened by ``heavy`` pixels."""
        from PIL import Image, ImageDraw

        runs = _runs(words.text, words.size * self.scale)
        lengths = [font.getlength(text) for text, font, _ in runs]
        room = round(1.5 * words.size * self.scale)
        strip = Image.new("L", (round(sum(lengths)) + 2 * room, 3 * room))
        pen, x = ImageDraw.Draw(strip), float(room)
        for (text, font, drop), length in zip(runs, lengths, strict=True):
            pen.text((x, 2 * room + drop), text, 255, font, "ls", stroke_width=heavy)
            x += length
        share = {"start": 0.0, "middle": 0.5, "end": 1.0}[words.anchor]
        across, down = room + share * sum(lengths), 2.0 * room
        if words.upwards:
            across, down = down, strip.width - across
            strip = strip.transpose(Image.Transpose.ROTATE_90)
        left, top = self.at((words.x, words.y))
        self.paper.paste(rgb(colour), (round(left - across), round(top - down)), strip)


def _runs(text: str, size: float) -> list[tuple[str, Any, float]]:
    """Text in pieces of one font each, with how far below the line they stand.

    Low numbers are small ones, lower down: larger than those that fonts have, if they have any.
    """
    from PIL import ImageFont

    sizes = (size, 0.68 * size)
    large: Any
    small: Any
    try:
        large, small = (ImageFont.truetype(_FONT, one) for one in sizes)
    except OSError:
        large, small = map(ImageFont.load_default, sizes)
        text = text.translate(_PLAIN)
    return [
        (str(_LOW.find(sign)), font, 0.16 * size) if font is small else (sign, font, 0.0)
        for sign, font in _joined([(sign, small if sign in _LOW else large) for sign in text])
    ]


def _joined(runs: list[tuple[str, T]]) -> list[tuple[str, T]]:
    """Neighbours of one kind as one, but low numbers sign by sign."""
    found: list[tuple[str, T]] = []
    for sign, kind in runs:
        if found and found[-1][1] is kind and sign not in _LOW:
            found[-1] = (found[-1][0] + sign, kind)
        else:
            found.append((sign, kind))
    return found


def _dashes(points: Sequence[Place], dash: float) -> Iterator[list[Place]]:
    """Pieces of a line, ``dash`` long, with gaps a fifth longer."""
    x, y = np.array(points).T
    along = np.concatenate([[0.0], np.hypot(np.diff(x), np.diff(y)).cumsum()])
    for begin in np.arange(0.0, along[-1], 2.2 * dash):
        end = min(begin + dash, along[-1])
        inner = along[(along > begin) & (along < end)]
        places = np.concatenate([[begin], inner, [end]])
        yield list(zip(np.interp(places, along, x), np.interp(places, along, y), strict=True))
