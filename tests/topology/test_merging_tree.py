"""The merge tree of a graph, against components found by search at every level."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.ground import BadInput
from isthmus.topology.merging_tree import MergeTree, merge_tree

LEVELS = st.integers(0, 6).map(float)


@st.composite
def graphs(draw):
    births = draw(st.lists(LEVELS, min_size=1, max_size=7))
    vertex = st.integers(0, len(births) - 1)
    return births, draw(st.lists(st.tuples(vertex, vertex, LEVELS), max_size=15))


def searched(births, edges, level) -> list[tuple[int, ...]]:
    """Components at a level, by spreading labels until nothing changes."""
    labels = {v: v for v, birth in enumerate(births) if birth <= level}
    for _ in births:
        for i, j, at in edges:
            if i in labels and j in labels and at <= level:
                labels[i] = labels[j] = min(labels[i], labels[j])
    groups: dict[int, list[int]] = {}
    for v, label in labels.items():
        groups.setdefault(label, []).append(v)
    return [tuple(group) for _, group in sorted(groups.items())]


@given(graphs())
def test_components_at_every_level_are_those_of_the_graph(graph):
    births, edges = graph
    tree = merge_tree(births, edges)
    for level in (-1.0, *{*births, *(edge[2] for edge in edges)}, 7.0):
        assert tree.components(level) == searched(births, edges, level)


@given(graphs())
def test_the_elder_survives_and_every_level_has_as_many_components_as_bars(graph):
    births, edges = graph
    tree = merge_tree(births, edges)
    assert [level for *_, level in tree.merges] == sorted(level for *_, level in tree.merges)
    for elder, younger, level in tree.merges:
        assert (births[elder], elder) < (births[younger], younger)
        assert level >= max(births[elder], births[younger])
    for level in (0.0, 2.5, 4.0, 7.0):
        alive = sum(birth <= level < death for birth, death in tree.pairs())
        assert len(tree.components(level)) == alive


@given(graphs())
def test_the_height_is_an_ultrametric(graph):
    births, edges = graph
    tree = merge_tree(births, edges)
    every = range(len(births))
    for a in every:
        for b in every:
            assert tree.height(a, b) == tree.height(b, a)
            together = tree.components(tree.height(a, b))
            assert any(a in c and b in c for c in together) or math.isinf(tree.height(a, b))
            for c in every:
                assert tree.height(a, c) <= max(tree.height(a, b), tree.height(b, c))


@given(graphs(), LEVELS)
def test_the_tree_above_a_level_is_that_of_the_components_there(graph, level):
    births, edges = graph
    births = [min(birth, level) for birth in births]  # all are there
    tree = merge_tree(births, edges)
    upper, whole = tree.above(level), tree.components(level)
    assert upper.births == tuple(min(births[leaf] for leaf in one) for one in whole)
    for higher in (level, level + 1, 7.0):
        found = [tuple(sorted(sum((whole[k] for k in c), ()))) for c in upper.components(higher)]
        assert sorted(found) == sorted(tree.components(higher))


def test_it_is_drawn_and_turns_into_data():
    tree = merge_tree([0.25, 0.0, 0.5], [(0, 1, 1.0), (1, 2, 3.0), (0, 2, 2.0)])
    assert tree == MergeTree((0.25, 0.0, 0.5), ((1, 0, 1.0), (1, 2, 2.0)))
    assert tree.pairs() == [(0.25, 1.0), (0.0, math.inf), (0.5, 2.0)]
    assert str(tree) == "2\n├─ 1\n│  ├─ 1 (0)\n│  └─ 0 (0.25)\n└─ 2 (0.5)"
    assert tree.text("abc").splitlines()[-1] == "└─ c (0.5)"
    assert json.loads(json.dumps(tree.to_json()))["merges"] == [[1, 0, 1.0], [1, 2, 2.0]]


def test_what_never_meets_stays_apart():
    tree = merge_tree([0.0, 0.0], [(0, 1, math.inf)])
    assert tree.merges == ()
    assert tree.components(1e300) == [(0,), (1,)]
    assert math.isinf(tree.height(0, 1))


def test_nonsense_is_refused():
    with pytest.raises(BadInput, match="leaf 1 is born at a level that is not finite"):
        merge_tree([0.0, math.nan], [])
    with pytest.raises(BadInput, match="an edge joins 0 and 2, but there are 2 leaves"):
        merge_tree([0.0, 0.0], [(0, 2, 1.0)])
    with pytest.raises(BadInput, match="level NaN"):
        merge_tree([0.0, 0.0], [(0, 1, math.nan)])
