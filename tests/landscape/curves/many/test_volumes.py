"""Volumes of simplexes."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from isthmus.landscape.curves.many.volumes import log_volume, squared_distances


@pytest.mark.parametrize("dim", [1, 2, 3, 5])
def test_regular_simplexes_of_side_one(dim):
    squares = 1 - torch.eye(dim + 1, dtype=torch.float64)
    wanted = math.sqrt((dim + 1) / 2**dim) / math.factorial(dim)
    assert float(log_volume(squares)) == pytest.approx(math.log(wanted), rel=1e-12)


@given(seed=st.integers(0, 1000), dim=st.integers(1, 5))
def test_it_is_the_determinant_of_the_edges(seed, dim):
    generator = torch.Generator().manual_seed(seed)
    points = torch.randn(dim + 1, dim, generator=generator, dtype=torch.float64)
    edges = points[1:] - points[0]
    wanted = float(torch.linalg.slogdet(edges)[1]) - math.lgamma(dim + 1)
    squares = squared_distances([{"w": p} for p in points])
    assert float(log_volume(squares)) == pytest.approx(wanted, abs=1e-7)


def test_a_flat_simplex_has_none():
    squares = squared_distances([{"w": torch.tensor([x])} for x in (0.0, 1.0, 2.0)])
    assert float(log_volume(squares)) < -15


def test_statistics_do_not_count():
    points = [{"w": torch.tensor([x]), "n.running_var": torch.tensor([9 * x])} for x in (0.0, 2.0)]
    assert squared_distances(points).tolist() == [[0, 4], [4, 0]]
