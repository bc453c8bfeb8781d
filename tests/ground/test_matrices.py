"""Factors of positive semidefinite matrices."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.ground.matrices import factor


@given(seed=st.integers(0, 999), size=st.integers(1, 6), rank=st.integers(1, 6))
@settings(max_examples=40, deadline=None)
def test_a_factor_times_its_transpose(seed: int, size: int, rank: int) -> None:
    """Of any rank, in any units, with rows of zeros."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(size, rank, generator=generator, dtype=torch.float64)
    units = 10.0 ** torch.randint(-8, 9, (size, 1), generator=generator).double()
    rows = rows * units * (torch.rand(size, 1, generator=generator) > 0.2)
    square = rows @ rows.T
    found = factor(square)
    size_of = square.diagonal().sqrt()
    gap = (found @ found.T - square).abs()
    assert bool((gap <= 1e-11 * torch.outer(size_of, size_of)).all())


def test_what_cholesky_refuses_is_factored_by_eigenvalues() -> None:
    """Rounding may leave a matrix slightly indefinite."""
    square = torch.tensor([[1.0, 1.0 + 1e-9], [1.0 + 1e-9, 1.0]], dtype=torch.float64)
    found = factor(square)
    torch.testing.assert_close(found @ found.T, square, rtol=0, atol=1e-8)
