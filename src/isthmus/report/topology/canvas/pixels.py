"""A drawing as a PNG file, words included, by Pillow and the font that it brings."""

from __future__ import annotations

import io
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from isthmus.ground import MissingExtra
from isthmus.report.topology.canvas.colours import rgb
from isthmus.report.topology.canvas.shapes import Area, Dot, Drawing, Line, Pixels, Words

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

_FINER = 2
"""Drawn so many times larger and then averaged: smooth edges."""

_PLAIN = str.maketrans({"−": "-", "×": "x", "′": "'", "ε": "e", "≤": "<=", "∞": "inf"})
"""What the font has no sign for."""

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


def drawing_png(drawing: Drawing, scale: float = 1.5) -> bytes:
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
    pen = _Pen(paper, ImageDraw.Draw(paper), scale * _FINER)
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
            case Area(points, colour):
                self.drawn.polygon([self.at(point) for point in points], fill=rgb(colour))
            case Dot(x, y, radius, colour, edge):
                for size, paint in ((radius + 1.5, edge), (radius, colour)):
                    self.drawn.circle(self.at((x, y)), size * self.scale, fill=rgb(paint))
            case Words():
                self.words(shape)
            case Pixels():
                self.pixels(shape)

    def line(self, line: Line) -> None:
        points = [self.at(point) for point in line.points]
        width = max(1, round(line.width * self.scale))
        pieces = [points]
        if line.dashed:
            pieces = [piece for ends in pairwise(points)
                      for piece in _dashes(*ends, 3.5 * self.scale)]  # fmt: skip
        for piece in pieces:
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
        """The letters, widened by ``heavy`` pixels; low numbers smaller and below the line."""
        from PIL import Image, ImageDraw, ImageFont

        large, small = (
            ImageFont.load_default(words.size * self.scale * share) for share in (1.0, 0.68)
        )
        runs = [(sign, small if sign in _LOW else large) for sign in _plain(words.text)]
        plain = [(str(_LOW.find(s)) if f is small else s, f) for s, f in _joined(runs)]
        lengths = [font.getlength(text) for text, font in plain]
        room = round(1.5 * words.size * self.scale)
        strip = Image.new("L", (round(sum(lengths)) + 2 * room, 3 * room))
        pen, x = ImageDraw.Draw(strip), float(room)
        for (text, font), length in zip(plain, lengths, strict=True):
            drop = 0.16 * words.size * self.scale if font is small else 0.0
            pen.text((x, 2 * room + drop), text, 255, font, "ls", stroke_width=heavy)
            x += length
        share = {"start": 0.0, "middle": 0.5, "end": 1.0}[words.anchor]
        across, down = room + share * sum(lengths), 2.0 * room
        if words.upwards:
            across, down = down, strip.width - across
            strip = strip.transpose(Image.Transpose.ROTATE_90)
        left, top = self.at((words.x, words.y))
        self.paper.paste(rgb(colour), (round(left - across), round(top - down)), strip)


def _plain(text: str) -> str:
    """Text in signs that the font has."""
    return text.translate(_PLAIN)


def _joined(runs: list[tuple[str, T]]) -> list[tuple[str, T]]:
    """Neighbours of one kind as one, but low numbers sign by sign."""
    found: list[tuple[str, T]] = []
    for sign, kind in runs:
        if found and found[-1][1] is kind and sign not in _LOW:
            found[-1] = (found[-1][0] + sign, kind)
        else:
            found.append((sign, kind))
    return found


def _dashes(start: Place, end: Place, step: float) -> list[list[Place]]:
    """Every other piece of this length on the way from a point to another."""
    length = ((end[0] - start[0]) ** 2 + (end[1] - start[1]) ** 2) ** 0.5
    count = max(1, int(length / step))

    def at(k: int) -> Place:
        share = min(1.0, k / count)
        return start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])

    return [[at(k), at(k + 1)] for k in range(0, count, 2)]
