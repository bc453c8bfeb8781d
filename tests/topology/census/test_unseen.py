"""The estimate of components never seen."""

from __future__ import annotations

import numpy as np
import pytest

from isthmus.topology.census.unseen import unseen


def test_by_hand():
    found = unseen([5, 2, 1, 1, 1])
    assert (found.draws, found.seen, found.once, found.twice) == (10, 5, 3, 1)
    assert found.estimate == pytest.approx(5 + 3 * 2 / (2 * 2))
    assert found.coverage == pytest.approx(0.7)
    assert "5 seen in 10 draws" in str(found)


def test_nothing_is_missing_where_nothing_was_met_once():
    assert unseen([3, 4]).estimate == 2
    assert unseen([3, 4]).coverage == 1


def test_it_is_near_for_equal_shares_and_below_for_unequal_ones():
    rng = np.random.default_rng(0)
    equal, unequal = np.full(40, 1 / 40), 0.8 ** np.arange(40)
    means = []
    for shares in (equal, unequal / unequal.sum()):
        draws = [np.bincount(rng.choice(40, 60, p=shares)) for _ in range(400)]
        means.append(np.mean([unseen([int(n) for n in row if n]).estimate for row in draws]))
    assert means[0] == pytest.approx(40, rel=0.05)
    assert means[1] < 38
