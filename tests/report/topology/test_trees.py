"""Dendrograms, bars and diagrams: what stands where, and that nothing crosses."""

from __future__ import annotations

import math
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.report.canvas import Area, Dot, Line, Words, drawing_svg
from isthmus.report.topology import barcode_drawing, persistence_drawing, tree_drawing
from isthmus.report.topology.trees import leading
from isthmus.topology.merging_tree import merge_tree

TREE = merge_tree([0.1, 0.3, 0.2, 0.5], [(0, 1, 1.0), (2, 3, 0.7), (1, 2, 2.0)])


@st.composite
def trees(draw):
    births = draw(st.lists(st.integers(0, 9).map(float), min_size=1, max_size=9))
    vertex = st.integers(0, len(births) - 1)
    return merge_tree(
        births, draw(st.lists(st.tuples(vertex, vertex, st.integers(0, 20).map(float))))
    )


def branches(drawing):
    """The lines of leaves: uprights (x, low, high) and crossbars (y, left, right)."""
    ways = [shape.points for shape in drawing.shapes if isinstance(shape, Line) and shape.tip]
    uprights = [(way[0][0], way[0][1], way[1][1]) for way in ways]
    return uprights, [(way[1][1], way[2][0], way[1][0]) for way in ways if len(way) == 3]


@given(trees())
def test_no_line_crosses_another(tree):
    uprights, bars = branches(tree_drawing(tree))
    assert len(uprights) == len(tree.births)
    for y, left, right in bars:
        assert left < right
        assert not any(left < x < right and high < y - 1e-9 < low for x, low, high in uprights)


def test_leaves_stand_at_their_births_and_end_where_they_meet():
    drawing = tree_drawing(TREE, ["a", "b", "<c>", "d"])
    scale = drawing.cursor.scale
    names = {w.x: w.text for w in drawing.shapes if isinstance(w, Words) and w.size == 12.5}
    assert list(names.values()) == ["a", "b", "<c>", "d"]
    uprights, bars = branches(drawing)
    ends = {names[x]: (low, high) for x, low, high in uprights}
    assert ends["b"] == (scale(0.3), scale(1.0))
    assert ends["<c>"] == (scale(0.2), scale(2.0))
    assert ends["a"][0] == scale(0.1)
    assert ends["a"][1] < scale(2.0)  # a survivor goes on to the top
    assert sorted(y for y, _, _ in bars) == sorted(map(scale, (1.0, 0.7, 2.0)))
    dots = {names[dot.x]: dot.y for dot in drawing.shapes if isinstance(dot, Dot)}
    assert dots == {
        name: scale(b) for name, b in zip(["a", "b", "<c>", "d"], TREE.births, strict=True)
    }


def test_a_level_can_be_marked():
    for level in (1.5, 9.0):
        drawing = tree_drawing(TREE, level=level)
        [line] = [shape for shape in drawing.shapes if isinstance(shape, Line) and shape.dash]
        assert {y for _, y in line.points} == {drawing.cursor.scale(level)}
        assert drawing.cursor.scale.high > level


def test_leaves_keep_their_colours_in_another_tree():
    other = merge_tree(TREE.births, [(0, 2, 0.4), (2, 3, 0.6), (0, 1, 9.0)])

    def colours(drawing):
        names = {w.x: w.text for w in drawing.shapes if isinstance(w, Words) and w.size == 12.5}
        return {names[dot.x]: dot.colour for dot in drawing.shapes if isinstance(dot, Dot)}

    assert colours(tree_drawing(other, like=TREE)) == colours(tree_drawing(TREE))
    assert colours(tree_drawing(other)) != colours(tree_drawing(TREE))


def test_of_many_leaves_those_that_last_are_drawn():
    births = [0.01 * k for k in range(100)]
    tree = merge_tree(
        births, [(0, k, births[k] + (5 if k % 10 == 0 else 0.001)) for k in range(100)]
    )
    drawing = tree_drawing(tree, most=10)
    assert len(branches(drawing)[0]) == 10
    text = "".join(shape.text for shape in drawing.shapes if isinstance(shape, Words))
    assert "100 leaves, of which the 10 that last longest are drawn" in text
    assert set(leading(tree)[:10]) == set(range(0, 100, 10))


@pytest.mark.parametrize("name", ["a", "a checkpoint with a very long name"])
def test_names_do_not_overlap(name):
    tree = merge_tree([0.1 * k for k in range(30)], [(0, k, 5.0) for k in range(30)])
    drawing = tree_drawing(tree, [name] * 30)
    words = [w for w in drawing.shapes if isinstance(w, Words) and w.size == 12.5]
    places = sorted(word.x for word in words)
    least = min(b - a for a, b in pairwise(places))
    wide = 12.5 if words[0].upwards else 7.0 * len(name)
    assert least > wide
    assert all(word.y + 7.0 * len(name) * bool(word.upwards) < drawing.height for word in words)
    assert max(places) < drawing.width


def test_the_svg_is_well_formed_and_names_the_unit(parsed):
    for tree in (TREE, merge_tree([1.0], []), merge_tree([1e-9, 1e-3, 2.0], [(0, 1, 1.5)])):
        words = [text for tag, _, text in parsed(drawing_svg(tree_drawing(tree, unit="test loss")))]
        assert "test loss" in words
    with pytest.raises(ValueError, match="zip"):
        tree_drawing(TREE, ["too", "few"])


def test_bars_go_from_birth_to_death(parsed):
    kinds = [TREE.pairs(), [(0.5, 1.5), (0.9, math.inf)]]
    drawing = barcode_drawing(kinds)
    scale = drawing.cursor.scale
    bars = [shape.points for shape in drawing.shapes if isinstance(shape, Line) and shape.tip]
    assert len(bars) == 6
    finite = [(scale(b), scale(d)) for b, d in sorted(kinds[0]) if d < math.inf]
    assert [(bar[0][0], bar[1][0]) for bar in bars[1:4]] == finite
    arrows = [shape for shape in drawing.shapes if isinstance(shape, Area)]
    assert len(arrows) == 2
    words = " ".join(text for tag, _, text in parsed(drawing_svg(drawing)) if tag == "text")
    assert "4 components, 2 loops" in words
    assert "loss" in words.split()
    short = barcode_drawing([[(0.0, 1.0 + k) for k in range(30)]], most=5)
    assert "25 shorter ones left out" in drawing_svg(short)
    assert len([s for s in short.shapes if isinstance(s, Line) and s.tip]) == 5


def test_the_diagram_puts_births_across_and_deaths_up(parsed):
    kinds = [[(0.0, 1.0), (0.0, math.inf)], [(0.5, 0.5001)]]
    drawing = persistence_drawing(kinds)
    parsed(drawing_svg(drawing))
    first, never = (s for s in drawing.shapes if isinstance(s, Dot) and s.tip)
    [loop] = [s for s in drawing.shapes if isinstance(s, Area) and s.tip]
    assert never.y < first.y
    assert never.x == first.x
    x = sum(point[0] for point in loop.points) / 4
    y = sum(point[1] for point in loop.points) / 4
    diagonal = next(
        s for s in drawing.shapes if isinstance(s, Line) and s.points[0][1] != s.points[1][1]
    )
    (x0, y0), (x1, y1) = diagonal.points
    assert y == pytest.approx(y0 + (x - x0) / (x1 - x0) * (y1 - y0), abs=0.2)
    assert re.search("1 loop<", drawing_svg(drawing))
    parsed(drawing_svg(persistence_drawing([[]])))
