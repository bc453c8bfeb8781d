"""spectra: known singular values, what leaves them as they are, and shared directions."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.ground import BadInput, ShapeMismatch
from isthmus.landscape import shared_directions, spectra


def gaussian(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_known_values_and_ranks() -> None:
    found = spectra({"w": torch.diag(torch.tensor([2.0, 2.0, 2.0])), "b": torch.ones(3)})
    assert found.values["w"].tolist() == pytest.approx([2, 2, 2])
    assert found.effective_ranks == {"w": pytest.approx(3)}
    one = spectra({"k": torch.ones(4, 2, 3, 3)})
    assert float(one.values["k"][0]) == pytest.approx(math.sqrt(72))
    assert one.effective_ranks["k"] == pytest.approx(1)
    assert str(found).splitlines()[1].split() == ["w", "2", "3", "3"]


@given(st.integers(0, 99))
@settings(max_examples=10, deadline=None)
def test_the_symmetries_of_a_relu_network_that_keep_lengths(seed: int) -> None:
    """A permutation of hidden units moves no singular value, and no direction on the other side."""
    first, second = gaussian(6, 4, seed=seed), gaussian(3, 6, seed=seed + 100)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(seed))
    a = {"first": first, "second": second}
    b = {"first": first[order], "second": second[:, order]}
    one, two = spectra(a), spectra(b)
    assert all(torch.allclose(v, two.values[n], rtol=1e-9) for n, v in one.values.items())
    back = {"first": b["first"][order.argsort()], "second": b["second"][:, order.argsort()]}
    assert shared_directions(a, back, top=2) == pytest.approx({"first": 1, "second": 1})


def test_shared_directions_of_known_matrices() -> None:
    """Left vectors the same, right ones orthogonal: a half."""
    a = {"w": torch.diag(torch.tensor([3.0, 2, 0, 0]))}
    b = {"w": torch.zeros(4, 4)}
    b["w"][0, 2], b["w"][1, 3] = 3, 2
    assert shared_directions(a, b, top=2)["w"] == pytest.approx(0.5)
    assert shared_directions(a, a, top=9)["w"] == pytest.approx(1)
    far = shared_directions({"w": gaussian(300, 300)}, {"w": gaussian(300, 300, seed=1)}, 5)
    assert far["w"] == pytest.approx(5 / 300, abs=0.02)


def test_bad_input() -> None:
    with pytest.raises(BadInput, match="top is 0, expected at least 1"):
        shared_directions({"w": torch.ones(2, 2)}, {"w": torch.ones(2, 2)}, 0)
    with pytest.raises(BadInput, match="no weight has two axes"):
        spectra({"b": torch.ones(2)})
    with pytest.raises(ShapeMismatch):
        shared_directions({"w": torch.ones(2, 2)}, {"w": torch.ones(2, 3)})
