"""Pictures: well formed, complete, inside their frame; the same marks as SVG and as PNG."""

from __future__ import annotations

import io
import itertools
import math
from xml.etree import ElementTree

import numpy as np
import pytest

from isthmus.papers.figures import Axis, Picture, Series, as_png, as_svg, beside, chart
from isthmus.report.canvas import Area, Dot, Line, Words, rgb

X = [1e-4, 1e-3, 1e-2]


def drawn(*series: Series, log: bool = True) -> Picture:
    return chart("Loss <here>", Axis("rate", True), Axis("loss & more", log), series)


def texts(picture: Picture) -> list[Words]:
    return [mark for mark in picture.shapes if isinstance(mark, Words)]


def test_a_chart_as_svg() -> None:
    picture = drawn(
        Series("one", X, [2, 1, 0.5], "red", [1.5, 0.9, 0.4], [2.5, 1.1, 0.6]),
        Series("two", X, [1, 1, 1], "teal", dash=6),
    )
    root = ElementTree.fromstring(as_svg(picture))
    said = "".join(root.itertext())
    for word in ("Loss <here>", "rate", "loss & more", "one", "two", "0.001"):
        assert word in said
    assert sum(isinstance(mark, Dot) for mark in picture.shapes) == 6
    assert sum(isinstance(mark, Area) for mark in picture.shapes) == 1


def test_every_mark_lies_in_the_picture_and_higher_is_more() -> None:
    picture = drawn(Series("name", X, [0.01, 0.1, 10], "red"))
    places = [(mark.x, mark.y) for mark in picture.shapes if isinstance(mark, Dot)]
    assert all(0 <= x <= picture.width and 0 <= y <= picture.height for x, y in places)
    assert places[0][1] > places[1][1] > places[2][1]
    # A step of ten and one of a hundred, on a logarithmic axis.
    steps = [before[1] - after[1] for before, after in itertools.pairwise(places)]
    assert steps[1] == pytest.approx(2 * steps[0])


def test_what_has_no_place_is_left_out() -> None:
    picture = drawn(Series("s", X, [1, math.nan, 0], "red"), Series("none", X, [-1] * 3, "teal"))
    assert sum(isinstance(mark, Dot) for mark in picture.shapes) == 1
    assert "none" not in [text.text for text in texts(picture)]
    ElementTree.fromstring(as_svg(drawn()))


def test_names_do_not_lie_on_each_other() -> None:
    many = [Series(f"curve {k}", X, [1, 1, 1 + 0.001 * k], "red") for k in range(8)]
    heights = sorted(t.y for t in texts(drawn(*many)) if t.text.startswith("curve"))
    assert all(b - a > 12 for a, b in itertools.pairwise(heights))


def test_png_shows_what_svg_shows() -> None:
    from PIL import Image

    marks = (
        Area(((10, 10), (40, 10), (40, 40), (10, 40)), "red"),
        Area(((10, 50), (40, 50), (40, 54), (10, 54)), "red", opacity=0.5),
        Line(((60, 20), (90, 20)), "teal", 6),
        Line(((60, 40), (95, 40)), "blue", 4, dash=10),
        Words(10, 70, "words", "ink"),
    )
    picture = Picture("test", 100, 80, marks)
    image = np.array(Image.open(io.BytesIO(as_png(picture, 1))).convert("RGB"))
    assert image.shape == (80, 100, 3)

    assert image[25, 25].tolist() == list(rgb("red"))
    assert image[52, 25, 0] > image[52, 25, 1] > rgb("red")[1]  # half of it
    assert image[20, 75].tolist() == list(rgb("teal"))
    assert image[40, 65].tolist() == list(rgb("blue"))
    assert image[40, 76].tolist() == [255, 255, 255]  # between dashes
    assert image[55:75, 10:60].min() < 100  # some ink
    assert image[5, 5].tolist() == [255, 255, 255]


def test_pictures_stand_beside_each_other() -> None:
    one = drawn(Series("s", X, [1, 2, 3], "red"))
    both = beside("Both", one, one, one, columns=2)
    assert both.width == 2 * one.width
    assert both.height == 2 * one.height + 40
    dots = [(mark.x, mark.y) for mark in both.shapes if isinstance(mark, Dot)]
    assert dots[3][0] - dots[0][0] == pytest.approx(one.width)
    assert dots[6][1] - dots[0][1] == pytest.approx(one.height)
