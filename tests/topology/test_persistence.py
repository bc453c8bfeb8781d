"""Persistence against complexes whose homology is known, and our union-find against gudhi."""

from __future__ import annotations

import itertools
import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.ground import BadInput, MissingExtra
from isthmus.topology.persistence import persistence

CYCLE = [(0, 1, 1.0), (1, 2, 2.0), (2, 3, 3.0), (0, 3, 4.0)]


def test_a_cycle_is_born_with_its_last_edge_and_dies_with_a_diagonal():
    pytest.importorskip("gudhi")
    births = [0.0, 0.5, 0.0, 0.0]
    assert persistence(births, CYCLE, 1)[1] == [(4.0, math.inf)]
    found = persistence(births, [*CYCLE, (1, 3, 7.0)], 1)
    assert found[1] == [(4.0, 7.0)]
    assert sorted(found[0]) == [(0.0, 2.0), (0.0, 3.0), (0.0, math.inf), (0.5, 1.0)]


def test_an_octahedron_has_a_void():
    pytest.importorskip("gudhi")
    edges = [
        (i, j, 1.0) for i, j in itertools.combinations(range(6), 2) if i // 2 != j // 2
    ]  # all but the three diagonals
    found = persistence([0.0] * 6, [*edges, (0, 1, 5.0)], 2)
    assert found[1] == []
    assert found[2] == [(1.0, 5.0)]


@given(st.integers(2, 7), st.data())
def test_in_dimension_0_it_is_that_of_gudhi(count, data):
    gudhi = pytest.importorskip("gudhi")
    levels = st.integers(0, 9).map(float)
    births = data.draw(st.lists(levels, min_size=count, max_size=count))
    pairs = data.draw(st.sets(st.sampled_from(list(itertools.combinations(range(count), 2)))))
    edges = [(i, j, data.draw(levels)) for i, j in sorted(pairs)]
    tree = gudhi.SimplexTree()
    for k, birth in enumerate(births):
        tree.insert([k], birth)
    for i, j, level in edges:
        tree.insert([i, j], max(level, births[i], births[j]))
    tree.compute_persistence(persistence_dim_max=True)
    theirs = sorted(map(tuple, tree.persistence_intervals_in_dimension(0).tolist()))
    ours = sorted(pair for pair in persistence(births, edges)[0] if pair[0] < pair[1])
    assert ours == theirs


def test_without_gudhi_there_is_dimension_0(monkeypatch):
    monkeypatch.setitem(sys.modules, "gudhi", None)
    assert persistence([0.0, 1.0], [(0, 1, 2.0)]) == {0: [(0.0, math.inf), (1.0, 2.0)]}
    with pytest.raises(MissingExtra, match="dimension 1 needs gudhi; install it with"):
        persistence([0.0, 1.0], [], 1)


def test_nonsense_is_refused():
    with pytest.raises(BadInput, match="dimension is -1, expected at least 0"):
        persistence([0.0], [], -1)
