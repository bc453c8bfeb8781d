"""Sublevel sets of slices: against labelling at every level, and against cubical homology."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from isthmus.ground import NotFinite
from isthmus.landscape.maps import Surface
from isthmus.topology.merging_tree import merge_tree
from isthmus.topology.slices import sublevels


def surface_of(losses):
    """Losses with places numbered 0, 1, ... along each axis."""
    rows, columns = np.shape(losses)
    values = tuple(tuple(map(float, row)) for row in losses)
    return Surface(tuple(map(float, range(columns))), tuple(map(float, range(rows))), values, ())


def squares(diagonal):
    return np.ones((3, 3)) if diagonal else ndimage.generate_binary_structure(2, 1)


@st.composite
def grids(draw, wild=False):
    """Small grids with many ties; with ``wild``, some losses are not finite."""
    shape = draw(st.tuples(st.integers(1, 7), st.integers(1, 7)))
    level = st.integers(0, 5).map(float)
    if wild:
        level |= st.sampled_from([math.nan, math.inf])
    flat = draw(st.lists(level, min_size=math.prod(shape), max_size=math.prod(shape)))
    return np.array(flat).reshape(shape)


def cubical(losses, diagonal):
    """Persistence pairs (degree 0, degree 1) of the cubical complex, by gudhi."""
    gudhi = pytest.importorskip("gudhi")
    kind = "top_dimensional_cells" if diagonal else "vertices"
    complex = gudhi.CubicalComplex(**{kind: losses})
    pairs = complex.persistence(homology_coeff_field=2, min_persistence=0.0)
    return tuple(sorted(pair for degree, pair in pairs if degree == d) for d in (0, 1))


@given(grids(wild=True), st.booleans())
def test_labels_at_every_level_are_those_of_labelling(losses, diagonal):
    if not np.isfinite(losses).any():
        with pytest.raises(NotFinite, match="no loss of the slice is finite"):
            sublevels(surface_of(losses), diagonal)
        return
    found = sublevels(surface_of(losses), diagonal)
    for level in [-1.0, 0.5, *range(6)]:
        inside = np.isfinite(losses) & (losses <= level)
        expected, count = ndimage.label(inside, squares(diagonal))
        labels = found.labels(level)
        assert ((labels >= 0) == inside).all()
        pairs = {*zip(expected[inside].tolist(), labels[inside].tolist(), strict=True)}
        assert len(pairs) == count == found.counts(level)[0] == len(set(labels[inside].tolist()))


@given(grids(wild=True).filter(lambda g: np.isfinite(g).any()), st.booleans())
def test_loops_at_every_level_surround_what_does_not_reach_the_edge(losses, diagonal):
    found = sublevels(surface_of(losses), diagonal)
    for level in [-1.0, 0.5, *range(6)]:
        outside = np.pad(~(np.isfinite(losses) & (losses <= level)), 1, constant_values=True)
        _, count = ndimage.label(outside, squares(not diagonal))
        assert found.counts(level)[1] == count - 1  # the ring around the map surrounds nothing


@given(grids(), st.booleans())
def test_components_and_loops_are_those_of_cubical_homology(losses, diagonal):
    components, loops = cubical(losses, diagonal)
    found = sublevels(surface_of(losses), diagonal)
    assert sorted(found.tree.pairs()) == components
    assert sorted((loop.birth, loop.death) for loop in found.loops) == loops


@pytest.mark.parametrize("diagonal", [False, True])
def test_a_large_grid_of_noise_agrees_with_cubical_homology(diagonal):
    losses = np.random.default_rng(3).random((40, 31))
    components, loops = cubical(losses, diagonal)
    found = sublevels(surface_of(losses), diagonal)
    assert sorted(found.tree.pairs()) == components
    assert sorted((loop.birth, loop.death) for loop in found.loops) == loops
    assert len(loops) > 50


@given(grids())
def test_the_tree_is_that_of_the_graph_without_its_plateaus(losses):
    rows, columns = losses.shape
    edges = [
        (i * columns + j, k * columns + m, 0.0)
        for i in range(rows)
        for j in range(columns)
        for k, m in ((i, j + 1), (i + 1, j))
        if k < rows and m < columns
    ]
    whole = merge_tree(losses.ravel().tolist(), edges)
    lasting = sorted(pair for pair in whole.pairs() if pair[1] > pair[0])
    assert sorted(sublevels(surface_of(losses)).tree.pairs()) == lasting


def test_two_wells_their_pass_and_a_hill():
    losses = [
        [9, 9, 9, 9, 9, 9],
        [9, 0, 2, 2, 2, 9],
        [9, 3, 9, 7, 2, 9],
        [9, 1, 4, 3, 2, 9],
        [9, 9, 9, 9, 9, 9],
    ]
    found = sublevels(surface_of(losses))
    assert found.tree.births == (0.0, 1.0)
    assert found.tree.merges == ((0, 1, 3.0),)
    assert found.minima == ((1.0, 1.0), (1.0, 3.0))
    assert found.saddles == ((1.0, 2.0),)
    assert not found.at_edge(0)
    [loop] = found.loops
    assert (loop.birth, loop.death, loop.saddle, loop.peak) == (4.0, 9.0, (2.0, 3.0), (2.0, 2.0))
    assert [found.counts(level) for level in (-1, 0, 1, 3, 4, 7, 9)] == [
        (0, 0), (1, 0), (2, 0), (1, 0), (1, 1), (1, 1), (1, 0),
    ]  # fmt: skip
    assert found.pass_level((1, 1), (1, 3)) == 3
    assert found.pass_level((1.2, 0.9), (4, 1)) == 2
    assert found.pass_level((1, 1), (0, 0)) == 9
    assert found.labels(2.0)[3].tolist() == [-1, 1, -1, -1, 0, -1]
    assert found.levels() == [0, 1, 3, 4, 9]


def test_corners_touch_only_where_that_is_asked():
    losses = [[0.0, 5.0], [5.0, 1.0]]
    assert sublevels(surface_of(losses)).counts(1)[0] == 2
    assert sublevels(surface_of(losses), diagonal=True).counts(1)[0] == 1


def test_what_is_not_finite_is_never_reached():
    losses = np.zeros((5, 5))
    losses[2, 2] = math.nan
    losses[4, 4] = math.inf
    found = sublevels(surface_of(losses))
    assert found.counts(1e300) == (1, 1)
    assert found.loops[0].death == math.inf
    assert found.pass_level((0, 0), (2, 2)) == math.inf
    losses[:, 2] = math.inf
    apart = sublevels(surface_of(losses))
    assert apart.counts(1e300) == (2, 0)
    assert apart.pass_level((0, 0), (4, 0)) == math.inf


def test_the_words_say_that_a_slice_is_not_the_landscape():
    found = sublevels(surface_of([[0.0, 2.0, 1.0]]))
    assert "3 x 1 places with 4 neighbours" in str(found)
    assert "minima on the grid: 2, of which 2 at the edge of the map" in str(found)
    assert "may be joined outside the plane" in str(found)
    data = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert data["basins"] == [[0, 0, 1]]
    assert data["tree"]["merges"] == [[0, 1, 2.0]]
