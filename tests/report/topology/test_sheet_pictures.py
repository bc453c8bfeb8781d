"""Pictures of sheets: meshes cut where the sheets are, the nearer over the farther, pages."""

from __future__ import annotations

import json
import math
import re
import sys

import numpy as np
import pytest

from isthmus.ground import BadInput, MissingExtra
from isthmus.report.canvas import Pixels, component_colour, drawing_svg, rgb
from isthmus.report.topology import sheets_drawing, sheets_page
from isthmus.report.topology.sheets.meshes import meshes
from isthmus.report.topology.sheets.solid import Image, View
from isthmus.topology.sheets import sheets


@pytest.mark.parametrize("skip", [0.0, 1.0, -0.4])
def test_meshes_lie_on_the_surface_and_end_at_the_margin(skip):
    found = sheets(skip, steps=31)
    parts = meshes(found)
    assert [part.sheet for part in parts] == list(range(1, found.count + 1))
    for part in parts:
        x, y, height = part.points.T
        assert np.abs(height * (x * y + skip) - 1).max() < 1e-12
        assert np.abs(x * y + skip).min() == pytest.approx(found.margin, rel=1e-12)
        assert part.triangles.max() == len(part.points) - 1
        assert np.allclose(np.linalg.norm(part.normals, axis=1), 1)


def test_a_mesh_covers_what_its_sheet_does():
    found = sheets(0.0, steps=61, margin=0.5)
    flat = next(part for part in meshes(found) if found.signs[part.sheet - 1] == (1, 1))
    corners = flat.points[flat.triangles][..., :2]
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / 2
    side = found.axis[-1]
    exact = side**2 - 0.5 - 0.5 * math.log(side**2 / 0.5)  # of x y >= 1/2 in the quadrant
    assert area == pytest.approx(exact, rel=1e-3)


def test_a_section_shows_the_sheets_that_meet_it():
    found = sheets(1.0, factors=3, steps=13)
    assert found.count == 5
    low, middle, high = ([part.sheet for part in meshes(found, k)] for k in (0, 6, 12))
    [origin] = middle
    assert len(low) == len(high) == 3
    assert {*low, *high} == {1, 2, 3, 4, 5}
    assert {*low} & {*high} == {origin}
    part = meshes(found, 12)[0]
    x, y, height = part.points.T
    assert np.abs(height * (found.axis[12] * x * y + 1) - 1).max() < 1e-12


@pytest.mark.parametrize(("factors", "section"), [(1, None), (2, 3), (3, None), (4, None)])
def test_what_cannot_be_drawn_is_refused(factors, section):
    with pytest.raises(BadInput, match="draw two factors, or three with a section"):
        meshes(sheets(1.0, factors, steps=5), section)


def test_the_nearer_triangle_hides_the_farther():
    view, size = View(turn=0, tilt=0), 40
    image = Image(view, size, 1.0)
    ring = np.array([[-1.0, 0, -1], [1.0, 0, -1], [0, 0, 1.0]])
    normals = np.tile([0.0, -1.0, 0.0], (3, 1))
    back = np.array([0, 0.5, 0])
    faces = np.array([[0, 1, 2], [1, 1, 2]])  # the second is flat: nothing
    far, near = ring + back, 0.5 * ring - back  # the eye looks along the second axis
    for points, paint in ((near, (200, 0, 0)), (far, (0, 0, 200))):
        image.draw(points, normals, faces, paint)
    seen = image.pixels(1)
    middle, edge = seen[22, 20], seen[36, 4]
    assert middle[0] > 0
    assert middle[2] == 0
    assert edge[2] > 0
    assert edge[0] == 0
    assert middle[3] == edge[3] == 255
    assert seen[2, 2, 3] == 0
    assert image.pixels(2).shape == (20, 20, 4)
    before = image.colour[22, 20, 0]
    image.trace(np.array([[-1.0, -0.6, -0.1], [1.0, -0.6, -0.1]]), share=0.5, radius=0)
    assert image.colour[21:23, 20, 0].min() == pytest.approx(before / 2)
    before = image.colour.copy()
    image.trace(np.array([[-1.0, 0.9, -0.3], [1.0, 0.9, -0.3], [np.nan, 0, 0]]), 0.5, 0)
    assert (image.colour == before).all()  # behind both


def small(found, section=None):
    return sheets_drawing(found, section, width=150)


def test_figure_1_shows_every_sheet_in_its_colour(parsed):
    for skip, count in ((0.0, 4), (1.0, 3)):
        drawing = small(sheets(skip, steps=21))
        [picture] = [shape for shape in drawing.shapes if isinstance(shape, Pixels)]
        drawn = picture.image[picture.image[..., 3] == 255][:, :3].astype(float)
        hues = drawn / np.maximum(drawn.max(axis=1, keepdims=True), 1)
        for sheet in range(count + 1):
            colour = np.array(rgb(component_colour(sheet)), dtype=float)
            share = (np.abs(hues - colour / colour.max()).max(axis=1) < 0.02).mean()
            assert (share > 0.03) == (sheet < count)
        words = [text for tag, _, text in parsed(drawing_svg(drawing)) if tag == "text"]
        assert f"{count} sheets" in words
        assert {"W₁", "W₂", "W₃"} <= {*words}
        assert sum(word.startswith("sheet ") for word in words) == count
        assert drawing_svg(drawing) == drawing_svg(small(sheets(skip, steps=21)))


def test_a_section_names_the_value_at_which_the_third_is_held(parsed):
    words = [text for _, _, text in parsed(drawing_svg(small(sheets(1.0, 3, steps=9), 8)))]
    assert "5 sheets; those that meet W₃ = 3" in words
    assert "W₄" in words


def test_the_page_opens_offline():
    library = pytest.importorskip("plotly.offline").get_plotlyjs()
    page = sheets_page([sheets(0.0, steps=5), sheets(1.0, 3, steps=5)], sections=3)
    assert library in page
    page = page.replace(library, "")
    head, _, rest = page.partition("</style>")
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "default-src 'none'" in head
    found = json.loads(re.search(r'id="report-data">(.*?)</script>', rest, re.S)[1])
    plain, sectioned = found["figures"]
    assert [len(part["meshes"]) for part in plain["sections"]] == [4]
    assert [part["label"] for part in sectioned["sections"]] == ["W₃ = −3", "W₃ = 0", "W₃ = 3"]
    mesh = plain["sections"][0]["meshes"][0]
    assert max(mesh["i"] + mesh["j"] + mesh["k"]) == len(mesh["x"]) - 1
    assert rest.count('type="range"') == 1
    assert rest.count("<noscript><svg") == 2
    with pytest.raises(BadInput, match="5 dimensions"):
        sheets_page([sheets(1.0, 4, steps=5)])


def test_the_page_without_plotly_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly", None)
    with pytest.raises(MissingExtra, match=r"isthmus\[report\]"):
        sheets_page([])
