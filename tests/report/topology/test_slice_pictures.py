"""Pictures of slices: pixels that agree with the labels, stages, pages, and files."""

from __future__ import annotations

import errno
import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest

from isthmus.ground import CannotWrite, OutputExists
from isthmus.landscape.maps import Surface
from isthmus.report.canvas import Pixels, Words, component_colour, drawing_svg
from isthmus.report.topology import (
    folders,
    slice_drawing,
    slice_page,
    stages,
    stages_drawing,
    tree_page,
    write_sheets,
    write_slice,
    write_trees,
)
from isthmus.report.topology.slices import HIGH, LOW, main_leaves, ranked
from isthmus.topology.merging_tree import merge_tree
from isthmus.topology.sheets import sheets
from isthmus.topology.slices import sublevels


def greys(image):
    """Where an image has the greys of what is above the level."""
    share = (image - LOW) / (HIGH - LOW)
    return (np.ptp(share, axis=-1) < 0.05) & (share.min(axis=-1) > -0.05)


def test_pixels_are_coloured_where_the_loss_is_below_the_level(slice_found):
    losses = np.array(slice_found.surface.losses)
    for level in (0.5, 1.1, 1.4):
        [picture] = [s for s in slice_drawing(slice_found, (), level).shapes
                     if isinstance(s, Pixels)]  # fmt: skip
        assert (greys(picture.image[::-1]) == (losses > level)).all()
        labels = slice_found.labels(level)
        for leaf in np.unique(labels[labels >= 0]):
            paint = picture.image[::-1][labels == leaf].astype(float)
            colour = np.array([int(ranked(slice_found)[leaf][k : k + 2], 16) for k in (1, 3, 5)])
            pale = (255 - paint) / (255 - colour)  # each pixel is the colour mixed with white
            assert np.ptp(pale, axis=1).max() < 0.03
            assert pale.min() > 0.49


def test_stages_are_where_the_picture_changes(slice_found):
    found = stages(slice_found)
    assert found == sorted(found)
    assert len(found) == 6
    counts = [slice_found.counts(level) for level in found]
    assert {(2, 0), (3, 0), (1, 1), (1, 0)} <= {*counts}
    flat = sublevels(Surface((0.0, 1.0), (0.0, 1.0), ((1.0, 1.0), (1.0, 1.0)), ()))
    assert stages(flat) == [1.0]


def test_every_panel_says_its_level_and_what_is_there(slice_found, parsed):
    drawing = stages_drawing(slice_found, ("A", "B", "<C>"), [0.6, 1.1])
    words = [text for tag, _, text in parsed(drawing_svg(drawing)) if tag == "text"]
    assert {"loss ≤ 0.6", "2 components, 0 loops", "loss ≤ 1.1", "3 components, 0 loops"} <= {
        *words
    }
    assert words.count("<C>") == 2
    assert any("may be joined outside it" in word for word in words)
    assert "axes: distance in weight space" in words
    shapes = [s for s in drawing.shapes if isinstance(s, Words)]
    assert all(0 <= s.x <= drawing.width and 0 <= s.y <= drawing.height for s in shapes)


def test_wild_level_and_tiny_slices_can_be_drawn(parsed):
    for losses in ([[1.0]], [[1.0, 1.0]], [[math.nan, 2.0], [1.0, math.inf]]):
        places = [tuple(map(float, range(n))) for n in (len(losses[0]), len(losses))]
        found = sublevels(Surface(*places, tuple(map(tuple, losses)), ()))
        parsed(drawing_svg(stages_drawing(found)))
        assert "report-data" in slice_page(found)


def test_noise_is_left_to_the_grey(slice_found):
    surface = slice_found.surface
    losses = np.array(surface.losses)
    for column in (3, 9, 15):  # pits at the rim
        losses[0, column] = (
            min(losses[0, [column - 1, column + 1]].min(), losses[1, column]) - 0.005
        )
    noisy = sublevels(replace(surface, losses=tuple(map(tuple, losses.tolist()))))
    assert len(noisy.tree.births) == 6
    assert main_leaves(noisy) == main_leaves(slice_found)
    greyed = [leaf for leaf, colour in enumerate(ranked(noisy)) if colour == component_colour(99)]
    assert len(greyed) == 3


def data_of(page):
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "default-src 'none'" in page
    return json.loads(re.search(r'id="report-data">(.*?)</script>', page, re.S)[1])


def test_the_page_has_what_its_slider_needs(slice_found):
    page = slice_page(slice_found, ("A", "B", "<C>"))
    data = data_of(page)
    assert "&lt;C&gt;" in page
    assert "may be joined outside the plane" in page
    assert data["levels"] == sorted(data["levels"])
    start = int(re.search(r'id="level"[^>]* value="(\d+)"', page)[1])
    assert slice_found.counts(data["levels"][start])[0] == 3
    assert data["trees"][0]["merges"] == [list(merge) for merge in slice_found.tree.merges]
    assert data["map"]["basins"] == slice_found.basins.tolist()
    # What the script does: the component of every place, from basins and merges alone.
    level = data["levels"][len(data["levels"]) // 3]
    parent = list(range(len(data["trees"][0]["births"])))
    for elder, younger, at in data["trees"][0]["merges"]:
        if at <= level:
            parent = [parent[elder] if p == parent[younger] else p for p in parent]
    losses = np.array(data["map"]["losses"])
    seen = np.where(losses <= level, np.array(parent)[data["map"]["basins"]], -1)
    assert (seen == slice_found.labels(level)).all()
    assert {chart["id"] for chart in data["charts"]} == {"tree-0", "bars-0"}
    assert page.count("<image") == 7  # the map and six stages


def test_the_page_of_trees_has_names_and_all_levels():
    trees = {
        "in parameter space": merge_tree([0.1, 0.2, 0.3], [(0, 1, 0.7)]),
        "up to <symmetry>": merge_tree([0.1, 0.2, 0.3], [(0, 1, 0.4), (1, 2, 0.6)]),
    }
    page = tree_page(trees, ["a", "b", "</script>"], level=0.55, notes=["3 < 4"])
    data = data_of(page)
    assert data["names"] == ["a", "b", "</script>"]
    assert {0.1, 0.2, 0.3, 0.4, 0.55, 0.6, 0.7} <= {*data["levels"]}
    assert f'value="{data["levels"].index(0.55)}"' in page
    assert [len(tree["merges"]) for tree in data["trees"]] == [1, 2]
    assert {chart["id"] for chart in data["charts"]} == {"tree-0", "bars-0", "tree-1", "bars-1"}
    assert data["map"] is None
    assert "3 &lt; 4" in page
    assert "up to &lt;symmetry&gt;" in page


def test_all_files_are_written_or_none(slice_found, tmp_path):
    pytest.importorskip("PIL")
    folder = write_slice(slice_found, tmp_path / "out", ("A", "B", "C"))
    drawn = {"slice", "tree", "barcode", "persistence"}
    names = {f"{name}.{kind}" for name in drawn for kind in ("svg", "png")}
    assert {path.name for path in folder.iterdir()} == names | {"slice.html", "result.json"}
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert json.loads(before["result.json"])["tree"]["births"] == list(slice_found.tree.births)
    with pytest.raises(OutputExists):
        write_slice(slice_found, folder)
    with pytest.raises(OutputExists, match="also an input"):
        write_slice(slice_found, folder, force=True, inputs=[folder / "result.json"])
    write_slice(slice_found, folder, ("A", "B", "C"), force=True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_fails_on_the_way_leaves_nothing(slice_found, tmp_path, monkeypatch):
    pytest.importorskip("PIL")
    written = []

    def fails(path, content):
        written.append(path)
        if len(written) == 4:
            raise OSError(errno.ENOSPC, "full")
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    monkeypatch.setattr(folders, "atomic_write", fails)
    with pytest.raises(CannotWrite, match="No space left"):
        write_slice(slice_found, tmp_path / "out")
    assert len(written) == 4
    assert not list(tmp_path.iterdir())


def test_trees_and_sheets_have_their_files(tmp_path):
    pytest.importorskip("PIL")
    pytest.importorskip("plotly")
    tree = merge_tree([0.1, 0.2], [(0, 1, 0.7)])
    folder = write_trees({"first": tree, "second": tree}, tmp_path / "trees", ["a", "b"])
    names = {path.name for path in folder.iterdir()}
    assert {"trees.html", "tree.svg", "tree-2.svg", "barcode-2.png", "result.json"} < names
    assert len(names) == 14
    assert json.loads((folder / "result.json").read_text())["second"]["births"] == [0.1, 0.2]
    flat = write_sheets(sheets(1.0, steps=5), tmp_path / "sheets")
    assert {path.name for path in flat.iterdir()} == {
        "sheets.html", "sheets.svg", "sheets.png", "result.json",
    }  # fmt: skip
