"""Singular directions before and after alignment."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from isthmus import WeightMatching, align, discover, params_of
from isthmus.algebra import Symmetry
from isthmus.alignment.directions import singular_directions
from isthmus.ground import BadInput, UnknownName, distances
from isthmus.testing.training import seeded


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))


def case(seed: int) -> tuple[Symmetry, dict, dict]:
    models = [seeded(network, seed + k).double() for k in range(2)]
    symmetry = discover(models[0], torch.zeros(1, 5))
    return symmetry, *map(params_of, models)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 100))
def test_permutations_leave_singular_values_and_undo_their_planting(seed: int) -> None:
    symmetry, a, _ = case(0)
    planted = symmetry.sample(seed, scale=0.0)  # scales of 1: a permutation
    b = symmetry.act(planted, a)
    found = singular_directions(a, b, symmetry=symmetry, element=~planted, threshold=0.5)
    for name, one in found.weights.items():
        assert max(one.spread) < 1e-12
        assert one.overlap[1] == pytest.approx(1, rel=1e-9)
        assert one.leading[1] == pytest.approx(1, rel=1e-9)
        assert one.distance[1] < 1e-12
        assert one.overlap[0] <= 1 + 1e-12
        assert one.shrinkage < 1e-9 or one.distance[0] < 1e-12, name


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 100))
def test_the_metric_is_that_of_the_definition(seed: int) -> None:
    symmetry, a, b = case(seed)
    element = symmetry.sample(seed)
    moved = symmetry.act(element, b)
    found = singular_directions(a, b, symmetry=symmetry, element=element, threshold=0.6)
    for name, one in found.weights.items():
        u, s, v = torch.linalg.svd(a[name], full_matrices=False)
        w, r, z = torch.linalg.svd(moved[name], full_matrices=False)
        total = sum(
            float(s[i] * r[j] * (u[:, i] @ w[:, j]) * (v[i] @ z[j]))
            for i in range(len(s))
            for j in range(len(r))
        )
        assert one.overlap[1] == pytest.approx(total / float(s @ r), rel=1e-9, abs=1e-12)
        # The sum is the product of the two weights, which least distance makes largest.
        assert total == pytest.approx(float((a[name] * moved[name]).sum()), rel=1e-9, abs=1e-12)
        p, q = ((x >= 0.6 * x[0]).sum() for x in (s, r))
        top = (u[:, :p] * s[:p]) @ v[:p], (w[:, :q] * r[:q]) @ z[:q]
        most = float(s[: min(p, q)] @ r[: min(p, q)])
        assert one.leading[1] == pytest.approx(float((top[0] * top[1]).sum()) / most, rel=1e-9)
        assert one.number == (int(p), int(q))
        assert one.distance == pytest.approx(
            (distances(a, b)[name], distances(a, moved)[name]), rel=1e-6
        )
        assert one.spread[1] > 1e-3  # the group has scales


def test_matching_raises_the_overlap() -> None:
    symmetry, a, b = case(3)
    swaps = align(b, to=a, symmetry=symmetry, method=WeightMatching())
    found = singular_directions(a, b, symmetry=symmetry, element=swaps.element)
    rise = [one.overlap[1] - one.overlap[0] for one in found.weights.values()]
    assert sum(rise) > 0.3
    assert "before → after alignment" in str(found)
    assert set(found.to_json()["weights"]) == {"0.weight", "2.weight", "4.weight"}


def test_errors_say_what_to_do() -> None:
    symmetry, a, b = case(0)
    with pytest.raises(BadInput, match="threshold is 2"):
        singular_directions(a, b, symmetry=symmetry, element=symmetry.identity(), threshold=2)
    with pytest.raises(UnknownName):
        singular_directions(a, {}, symmetry=symmetry, element=symmetry.identity())
