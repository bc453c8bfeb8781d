"""Grouping: greedy merges keep their order, their budget and their count."""

import pytest
import torch

from isthmus.merging.features.grouping import correlation, paired, zipped


def alike(units: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(2 * units, 3, generator=generator, dtype=torch.float64)
    return correlation(rows @ rows.mT)


def naive(given: torch.Tensor, into: int) -> list[list[int]]:
    """Across models alone, each unit once, every pair looked at."""
    units = len(given) // 2
    pairs = sorted(
        ((float(given[i, units + j]), i, j) for i in range(units) for j in range(units)),
        reverse=True,
    )
    found: list[list[int]] = []
    for _, i, j in pairs:
        held = {k for pair in found for k in pair}
        if len(found) < 2 * units - into and i not in held and units + j not in held:
            found.append([i, units + j])
    held = {k for pair in found for k in pair}
    return sorted([*found, *([k] for k in range(2 * units) if k not in held)], key=min)


def groups(members: tuple[torch.Tensor, torch.Tensor]) -> list[list[int]]:
    return [row.nonzero().flatten().tolist() for row in torch.cat(members, 1)]


@pytest.mark.parametrize("into", [6, 8, 12])
@pytest.mark.parametrize("seed", range(5))
def test_across_models_it_is_the_greedy_matching(into, seed):
    given = alike(6, seed)
    assert groups(zipped(given, into, within=0, again=0)) == naive(given, into)
    assert groups(zipped(given, into, within=0, again=0.9)) == naive(given, into)


@pytest.mark.parametrize("within", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("again", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_every_unit_is_in_one_group_of_as_many_as_wanted(within, again, seed):
    one, two = zipped(alike(8, seed), 8, within, again)
    assert one.shape == two.shape == (8, 8)
    for members in (one, two):
        assert torch.equal(members.sum(0), torch.ones(8, dtype=torch.float64))
    if not again:
        assert torch.equal(one.sum(1) + two.sum(1), torch.full((8,), 2.0, dtype=torch.float64))
        # Merges within a model are bounded by the budget.
        assert int((one.sum(1) == 2).sum()) <= within * 8


def test_twins_within_a_model_are_merged_only_where_that_is_allowed():
    given = 0.1 * torch.ones(8, 8, dtype=torch.float64)
    for i, j in ((0, 1), (4, 5), (2, 6), (3, 7)):
        given[i, j] = given[j, i] = 0.9
    assert groups(zipped(given, 4, within=1, again=0)) == [[0, 1], [2, 6], [3, 7], [4, 5]]
    apart = groups(zipped(given, 4, within=0, again=0))
    assert all(len([k for k in group if k < 4]) == 1 for group in apart)


def test_pairs_least_alike_are_kept_apart():
    given = torch.eye(8, dtype=torch.float64)
    for k, worth in enumerate((0.9, 0.2, 0.8, 0.3)):
        given[k, 4 + k] = given[4 + k, k] = worth
    assert groups(paired(given, 4)) == [[0, 4], [1, 5], [2, 6], [3, 7]]
    assert groups(paired(given, 6)) == [[0, 4], [1], [2, 6], [3], [5], [7]]
    assert groups(paired(given, 8)) == [[k] for k in range(8)]


def test_pairing_is_the_best_in_all_where_greedy_is_not():
    given = torch.eye(4, dtype=torch.float64)
    given[:2, 2:] = torch.tensor([[0.9, 0.8], [0.8, 0.1]])
    given[2:, :2] = given[:2, 2:].T
    assert groups(paired(given, 2)) == [[0, 3], [1, 2]]
    assert groups(zipped(given, 2, 0, 0)) == [[0, 2], [1, 3]]


def test_units_that_never_change_correlate_with_none():
    found = correlation(torch.tensor([[4.0, 0.0], [0.0, 0.0]], dtype=torch.float64))
    assert torch.equal(found, torch.tensor([[1.0, 0.0], [0.0, 0.0]], dtype=torch.float64))
