"""Membership with reasons, and fits, of every group class."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.algebra.groups import (
    GeneralLinear,
    Monomial,
    Orthogonal,
    Permutation,
    PositiveScaling,
    SignedPermutation,
    Trivial,
    Wreath,
    monomial,
)

seeds = st.integers(0, 2**31)
few = settings(max_examples=4)


@few
@given(seed=seeds)
def test_samples_are_in_the_group(group, tools, seed):
    for g in (group.sample(tools.rng(seed)), group.identity()):
        assert group.why_not(group.matrix(g, group.natural)) is None


SHAPE = "shape (2, 2), expected (3, 3)"
CASES = [
    *((g, torch.eye(2), SHAPE) for g in (Permutation(3), Orthogonal(3), GeneralLinear(3))),
    (Wreath(Orthogonal(1), 3), torch.eye(2), SHAPE),
    (Trivial(2), [[0, 1], [1, 0]], "coordinates are swapped"),
    (PositiveScaling(2), [[0, 1], [1, 0]], "coordinates are swapped"),
    (SignedPermutation(2, swaps=False), [[0, 1], [1, 0]], "coordinates are swapped"),
    (Permutation(2), [[1, 1], [0, 1]], "not one non-zero entry in each row and column"),
    (Permutation(2), [[1, 0], [1, 0]], "not one non-zero entry in each row and column"),
    (Monomial(2), [[1, 0], [0, 0]], "not one non-zero entry in each row and column"),
    (Permutation(2), [[1, 0], [0, -1]], "a negative entry"),
    (Monomial(2), [[1, 0], [0, -2]], "a negative entry"),
    (Permutation(2), [[1, 0], [0, 2]], "an entry of absolute value other than 1"),
    (SignedPermutation(2), [[1, 0], [0, -2]], "an entry of absolute value other than 1"),
    (Orthogonal(2), [[1, 0], [0, 2]], "Q Qᵀ differs from 1 by 3"),
    (Orthogonal(2), [[1, 1], [0, 1]], "Q Qᵀ differs from 1 by 1"),
    (GeneralLinear(2), [[1, 2], [2, 4]], "singular: smallest over largest singular value "),
    (GeneralLinear(2), [[0, 0], [0, 0]], "singular: smallest over largest singular value 0"),
    (
        Wreath(GeneralLinear(1), 2),
        [[1, 1], [0, 1]],
        "not one non-zero block in each row and column of blocks",
    ),
    (Wreath(Permutation(1), 2), [[1, 0], [0, 3]], "block 1: an entry of absolute value other"),
]


@pytest.mark.parametrize(("group", "matrix", "reason"), CASES, ids=lambda x: str(x)[:20])
def test_what_is_not_in_the_group_is_told_why(group, matrix, reason):
    found = group.why_not(torch.as_tensor(matrix).double())
    assert found is not None
    assert found.startswith(reason)


def test_members_of_larger_groups_are_refused(tools):
    chain = [
        Trivial(4),
        Permutation(4),
        SignedPermutation(4),
        Orthogonal(4),
        GeneralLinear(4),
    ]
    for small, large in itertools.pairwise(chain):
        matrices = large.matrix(large.sample(tools.rng(0), 0.5, (40,)), large.natural)
        assert all(large.why_not(m) is None for m in matrices)
        refused = [m for m in matrices if small.why_not(m) is not None]
        assert len(refused) >= 35, str(small)


@few
@given(seed=seeds)
def test_fit_finds_a_planted_element(group, tools, seed):
    rng = tools.rng(seed)
    g = group.sample(rng, 0.5)
    source = torch.randn(group.size, 3 * group.size + 2, generator=rng, dtype=torch.float64)
    target = group.act(g, source, 0, group.natural)
    found = group.matrix(group.fit(source, target), group.natural)
    assert torch.allclose(found, group.matrix(g, group.natural), atol=1e-8)


@few
@given(seed=seeds)
def test_fit_is_as_good_as_any_other_element(group, tools, seed):
    rng = tools.rng(seed)
    source, target = torch.randn(2, group.size, 5, generator=rng, dtype=torch.float64)

    def error(g):
        return float((target - group.act(g, source, 0, group.natural)).square().sum())

    best = error(group.fit(source, target))
    others = [group.sample(rng, 1.0) for _ in range(20)] + [group.identity()]
    assert all(best <= error(g) + 1e-9 for g in others)


@pytest.mark.parametrize("flips", [0, 1])
@pytest.mark.parametrize("scales", [0, 1])
@few
@given(seed=seeds)
def test_fit_of_a_monomial_is_the_best_of_all_permutations(tools, flips, scales, seed):
    group = monomial(3, swaps=True, flips=flips, scales=scales)
    rng = tools.rng(seed)
    source, target = torch.randn(2, 3, 4, generator=rng, dtype=torch.float64)
    source *= torch.tensor([[0.1], [1.0], [10.0]])  # rows of very different length
    found = group.act(group.fit(source, target), source, 0, group.natural)

    def best(row, wanted):
        factors = [1.0, -1.0] if flips else [1.0]
        if scales:
            free = float(row @ wanted / (row @ row))
            factors = [free if flips else max(free, 0.0)]
        return min(float((wanted - f * row).square().sum()) for f in factors)

    every = (
        sum(best(source[j], target[i]) for i, j in enumerate(perm))
        for perm in itertools.permutations(range(3))
    )
    assert float((target - found).square().sum()) <= min(every) + 1e-9
