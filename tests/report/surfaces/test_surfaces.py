"""Pictures of surfaces: what is drawn where, and files that stand on their own."""

from __future__ import annotations

import io
import math
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from isthmus.landscape.maps import Surface, Trace
from isthmus.report.canvas import png
from isthmus.report.surfaces import contours_png, contours_svg, relief_svg, surface_page
from isthmus.report.surfaces import write_surface as write
from isthmus.report.surfaces.contours import heights, levels, segments, shade
from isthmus.report.surfaces.raster import colours, pixels


def bowl(wild=None):
    """x² + y² on a grid, with a path."""
    x, y = (tuple(np.linspace(-2, 2, 9)), tuple(np.linspace(-1, 1, 7)))
    losses = [[float(a * a + b * b) for a in x] for b in y]
    if wild is not None:
        losses[0][0] = wild
    trace = Trace((0.0, 0.5, 1.0), (0.0, 0.5, 0.0), (0.0, 0.2, 0.0), (0.0, 0.7, 1.0))
    corners = ((0.0, 0.0), (1.0, 0.0), (0.0, 0.5))
    return Surface(x, y, tuple(map(tuple, losses)), corners, {"<bent>": trace})


def test_contours_lie_where_the_surface_has_their_height():
    x = y = np.linspace(-2, 2, 81)
    grid = x[None, :] ** 2 + y[:, None] ** 2
    for level in (0.5, 1.0, 2.0):
        pieces = list(segments(x, y, grid, level))
        ends = np.array(pieces).reshape(-1, 2)
        assert np.abs(np.hypot(*ends.T) - level**0.5).max() < 2e-3
        length = sum(math.dist(a, b) for a, b in pieces)
        assert length == pytest.approx(2 * math.pi * level**0.5, rel=1e-2)
    assert not list(segments(x, y, grid, 100.0))


@pytest.mark.parametrize("middle", [0.0, 1.0])
def test_at_a_saddle_the_middle_decides(middle):
    grid = np.array([[1.0, 0.0], [0.0, 1.0]])
    level = 0.4 if middle else 0.6  # the mean of the corners, 1/2, is above or below it
    pieces = list(segments([0, 1], [0, 1], grid, level))
    assert len(pieces) == 2
    around_high = [math.dist(a, b) for a, b in pieces]
    near = [min(math.dist(np.mean(p, axis=0), c) for c in ((0, 0), (1, 1))) for p in pieces]
    far = [min(math.dist(np.mean(p, axis=0), c) for c in ((1, 0), (0, 1))) for p in pieces]
    assert all(n > f for n, f in zip(near, far, strict=True)) == bool(middle)
    assert len(set(np.round(around_high, 9))) == 1


def test_levels_share_the_area_and_shades_rise_with_the_loss():
    grid = np.exp(np.linspace(0, 20, 1000)).reshape(25, 40)
    bounds = levels(grid)
    counts = np.histogram(grid, [0, *bounds, np.inf])[0]
    assert counts.max() - counts.min() <= 2
    shades = shade(grid, bounds)
    assert shades.min() == 0
    assert shades.max() == 1
    assert (np.diff(shades.flatten()) > 0).all()


@pytest.mark.parametrize("wild", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_as_high_as_the_highest(wild):
    grid = heights(bowl(wild))
    assert grid[0, 0] == max(v for row in bowl().losses for v in row[1:])
    for text in (contours_svg(bowl(wild)), relief_svg(bowl(wild))):
        assert "nan" not in text
        assert "inf" not in text


def test_a_level_surface_can_be_drawn():
    flat = Surface((0.0, 1.0), (0.0, 1.0), ((0.5, 0.5), (0.5, 0.5)), ((0, 0), (1, 0), (0, 1)))
    assert ElementTree.fromstring(contours_svg(flat)) is not None
    assert ElementTree.fromstring(relief_svg(flat)) is not None


def test_the_svg_holds_models_paths_and_numbers():
    text = contours_svg(bowl(), ("one", "two", "<three>"), width=400)
    root = ElementTree.fromstring(text)
    space = "{http://www.w3.org/2000/svg}"
    circles = [(float(c.get("cx")), float(c.get("cy"))) for c in root.iter(f"{space}circle")]
    assert circles == [(264.0, 116.0), (364.0, 116.0), (264.0, 66.0)]  # 100 pixels a unit
    paths = {p.get("class"): p.get("d") for p in root.iter(f"{space}path")}
    assert paths["path"] == "M264.0 116.0L314.0 66.0L364.0 116.0"
    words = "".join(root.itertext())
    assert "<bent>: loss at most 1, 0.2 off the plane" in words
    assert {"one", "two", "<three>"} <= {e.text for e in root.iter(f"{space}text")}
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")


def test_the_relief_draws_far_faces_first():
    text = relief_svg(bowl())
    assert len(re.findall("<path ", text)) == 8 * 6
    tops = [float(d.split()[1].split("L")[0]) for d in re.findall(r'd="M([^"]*)Z"', text)]
    assert np.mean(tops[:8]) < np.mean(tops[-8:])  # far is up on the page


def test_png_files_hold_the_pixels():
    image_of = pytest.importorskip("PIL.Image").open
    image = (np.arange(5 * 7 * 3) % 251).astype(np.uint8).reshape(5, 7, 3)
    assert (np.asarray(image_of(io.BytesIO(png(image)))) == image).all()
    drawn = np.asarray(image_of(io.BytesIO(contours_png(bowl(), 401))))
    assert drawn.shape == (201, 401, 3)
    assert tuple(drawn[100, 200]) == (27, 36, 48)  # model A in the middle
    assert tuple(drawn[75, 225]) == (255, 255, 255)  # the path half way to its bend
    corner = colours(np.array(1.0))
    assert (drawn[0, 0] == corner).all()
    assert pixels(bowl(), 101).shape == (51, 101, 3)


def test_the_page_and_the_files_stand_on_their_own(tmp_path):
    page = surface_page(bowl())
    assert "&lt;bent&gt;" in page
    assert not re.search(r'(src|href)="http', page)
    assert page.count("<svg") == 2
    folder = write(bowl(), tmp_path / "new")
    names = {"surface.svg", "relief.svg", "surface.png", "surface.html"}
    assert {path.name for path in folder.iterdir()} == names
    assert (folder / "surface.html").read_text(encoding="utf-8") == page
