"""Slerp and Karcher means: on the great circle, and where logarithms sum to zero."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from isthmus.ground import BadInput
from isthmus.merging import KarcherMean, Slerp, merge


def tensors(count, seed=0, shape=(5, 3)):
    generator = torch.Generator().manual_seed(seed)
    return [
        {"w": torch.randn(shape, generator=generator, dtype=torch.float64)} for _ in range(count)
    ]


@given(t=st.floats(0, 1), seed=st.integers(0, 10**6))
def test_slerp_is_the_formula(t, seed):
    a, b = tensors(2, seed)
    x, y = a["w"] / a["w"].norm(), b["w"] / b["w"].norm()
    angle = math.acos(float((x * y).sum()))
    circle = (math.sin((1 - t) * angle) * x + math.sin(t * angle) * y) / math.sin(angle)
    length = (1 - t) * a["w"].norm() + t * b["w"].norm()
    assert torch.allclose(merge([a, b], Slerp(t))["w"], length * circle, atol=1e-9)


@given(seed=st.integers(0, 10**6), count=st.integers(3, 6))
def test_the_logarithms_at_a_karcher_mean_sum_to_zero(seed, count):
    given = tensors(count, seed)
    given = [{"w": one["w"] + 2 * given[0]["w"]} for one in given]  # within half a sphere
    found = merge(given, KarcherMean())["w"]
    middle = found / found.norm()
    total = torch.zeros_like(middle)
    for one in given:
        unit = one["w"] / one["w"].norm()
        angle = math.acos(min(1.0, float((unit * middle).sum())))
        total += angle / math.sin(angle) * (unit - math.cos(angle) * middle)
    assert float(total.norm()) < 1e-8
    lengths = torch.stack([one["w"].norm() for one in given])
    assert float(found.norm()) == pytest.approx(float(lengths.mean()))


def test_a_mean_of_orthogonal_models_is_as_long_as_they_are_and_the_plain_one_is_not():
    a, b = {"w": torch.tensor([3.0, 0.0])}, {"w": torch.tensor([0.0, 3.0])}
    assert float(merge([a, b], Slerp())["w"].norm()) == pytest.approx(3)
    assert float(merge([a, b])["w"].norm()) == pytest.approx(3 / math.sqrt(2))


def test_zero_tensors_are_averaged():
    found = merge([{"w": torch.zeros(3)}, {"w": torch.ones(3)}], Slerp(0.25))
    assert torch.equal(found["w"], torch.full((3,), 0.25))


def test_opposite_directions_have_no_mean():
    a = tensors(1)[0]
    with pytest.raises(BadInput, match="the directions of 'w' cancel"):
        merge([a, {"w": -a["w"]}], Slerp())


def test_what_slerp_cannot_take():
    with pytest.raises(BadInput, match="t is 2, expected a number in"):
        Slerp(2)
    with pytest.raises(BadInput, match="3 models, expected two; use KarcherMean"):
        merge(tensors(3), Slerp())
