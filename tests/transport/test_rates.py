"""RateLaw: the table of exponents, bounds with their constants against samples, errors."""

from __future__ import annotations

import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from isthmus.ground.assignment import assignment
from isthmus.ground.errors import BadInput
from isthmus.transport.rates import RateLaw

TABLE = [
    # p, D, exponent, power of the logarithm, sharp
    (1, 1, 1 / 2, 0, False),
    (1, 2, 1 / 2, 1, False),
    (1, 3, 1 / 3, 0, True),
    (2, 3, 1 / 2, 0, False),
    (2, 4, 1 / 2, 1, False),
    (2, 5, 2 / 5, 0, True),
    (2, 8, 1 / 4, 0, True),
]


@pytest.mark.parametrize(("order", "dimension", "exponent", "logarithms", "sharp"), TABLE)
def test_the_table_of_exponents(
    order: int, dimension: int, exponent: float, logarithms: int, sharp: bool
) -> None:
    law = RateLaw(dimension, order)
    assert law.exponent == pytest.approx(exponent)
    assert law.logarithms == logarithms
    assert law.sharp is sharp
    assert law.floor_exponent == pytest.approx(order / dimension)
    slope = math.log(law.at(1e12) / law.at(1e6)) / math.log(1e-6)
    assert slope == pytest.approx(exponent, abs=0.06 if logarithms else 1e-12)
    assert not logarithms or slope < exponent


@pytest.mark.parametrize("order", [1.0, 2.0])
@pytest.mark.parametrize("dimension", [1, 2, 3, 6])
def test_bounds_with_constants_hold_for_the_uniform_law_of_a_cube(
    dimension: int, order: float
) -> None:
    generator = torch.Generator().manual_seed(dimension)
    law, count, side = RateLaw(dimension, order), 60, 3.0
    found = []
    for _ in range(10):
        x, y = (side * torch.rand(count, dimension, generator=generator).double() for _ in "ab")
        cost = torch.cdist(x, y) ** order
        found.append(float(cost[torch.arange(count), assignment(cost)].mean()))
    mean = sum(found) / len(found)
    # The other sample is nearer to the law than to this sample, in the mean (convexity).
    assert law.floor(count, side**-dimension) < mean < 2**order * law.ceiling(count, side)


@given(dimension=st.floats(0.3, 60), order=st.floats(1, 4), count=st.integers(2, 10**9))
def test_the_ceiling_is_above_the_floor_and_falls(
    dimension: float, order: float, count: int
) -> None:
    law = RateLaw(dimension, order)
    assert law.ceiling(count) <= law.dimension ** (order / 2) * (1 + 1e-12)
    assert law.ceiling(2 * count) <= law.ceiling(count)
    if dimension == int(dimension):
        assert law.floor(count) <= law.ceiling(count)


def test_the_ceiling_has_the_exponent_of_the_law() -> None:
    for dimension, order in ((3, 1), (6, 2), (2, 2)):
        law = RateLaw(dimension, order)
        slope = math.log2(law.ceiling(2**24) / law.ceiling(2**54)) / 30
        assert slope == pytest.approx(law.exponent, abs=0.01)


def test_it_prints_its_theorem_and_hypotheses() -> None:
    sharp, slow = str(RateLaw(8)), str(RateLaw(3))
    assert sharp.startswith("E W_2^2 ~ N^-0.25, up to constants, in dimension 8")
    assert "Weed and Bach 2019" in sharp
    assert "if the neurons are independent draws from one law" in sharp
    assert slow.startswith("N^-0.6667 ≤ E W_2^2 ≤ N^-0.5, up to constants")
    data = json.loads(json.dumps(RateLaw(4).to_json(), allow_nan=False))
    assert (data["exponent"], data["logarithms"], data["sharp"]) == (0.5, 1, False)


@pytest.mark.parametrize("dimension", [0.0, -1.0, math.nan, math.inf])
def test_no_such_dimension(dimension: float) -> None:
    with pytest.raises(BadInput, match="expected a finite number above 0; estimate it"):
        RateLaw(dimension)


def test_no_such_order() -> None:
    with pytest.raises(BadInput, match="the order is 0.5, expected a finite number of at least 1"):
        RateLaw(3, 0.5)
