"""Assignments of a wanted parity."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.ground import BadInput
from isthmus.topology.parity import parity_assignment, sign_of


def cost_of(cost, permutation):
    return float(cost[torch.arange(len(cost)), torch.as_tensor(permutation)].sum())


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**31),
    size=st.integers(2, 5),
    sign=st.sampled_from([1, -1]),
    ties=st.booleans(),
)
def test_no_other_of_that_sign_costs_less(seed, size, sign, ties):
    rng = torch.Generator().manual_seed(seed)
    cost = torch.randn(size, size, generator=rng, dtype=torch.float64)
    cost = cost.round() if ties else cost
    found = parity_assignment(cost, sign)
    every = itertools.permutations(range(size))
    best = min(cost_of(cost, p) for p in every if sign_of(p) == sign)
    assert sign_of(found.permutation) == sign
    assert found.cost == found.floor == pytest.approx(cost_of(cost, found.permutation))
    assert found.cost == pytest.approx(best)


def test_the_floor_is_kept_where_the_listing_is_cut():
    rng = torch.Generator().manual_seed(0)
    cost = torch.rand(8, 8, generator=rng, dtype=torch.float64)
    for sign in (1, -1):
        cut = parity_assignment(cost, sign, limit=1)
        full = parity_assignment(cost, sign)
        assert sign_of(cut.permutation) == sign
        assert cut.floor <= full.cost <= cut.cost


def test_signs():
    assert [sign_of(p) for p in ([], [0], [1, 0], [1, 2, 0], [1, 0, 3, 2])] == [1, 1, -1, 1, 1]
    determinant = {
        p: round(float(torch.eye(4, dtype=torch.float64)[list(p)].det()))
        for p in itertools.permutations(range(4))
    }
    assert all(sign_of(p) == sign for p, sign in determinant.items())


def test_one_unit_has_no_odd_permutation():
    assert parity_assignment(torch.ones(1, 1), 1).cost == 1
    with pytest.raises(BadInput, match=r"no odd permutation of 1 units; flip the sign"):
        parity_assignment(torch.ones(1, 1), -1)
