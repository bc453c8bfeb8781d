"""The recursion is a tower of exponentials, its inverse undoes it, and the floor is one."""

from __future__ import annotations

import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from isthmus.ground import BadInput
from isthmus.ground.assignment import assignment
from isthmus.transport.bounds import (
    Tower,
    WidthRecursion,
    entezari_error,
    matching_floor,
    propagated_error,
)


@given(
    height=st.integers(0, 3),
    top=st.floats(601, 1e300),
    rate=st.floats(1e-6, 1e6),
    shift=st.floats(-100, 100),
)
def test_towers_are_what_they_stand_for(height, top, rate, shift):
    base = Tower(height, top)
    found = base.power(rate, shift)
    if height == 0:
        total = rate * top + shift
        logarithm = math.log(found.top) if found.height == 0 else found.top
        assert found.height <= 1
        assert logarithm == pytest.approx(total, rel=1e-12, abs=1e-12)
    else:  # log log (e^(rate m + shift)) = log m + log rate, but for what rounding takes
        inner = Tower(height - 1, top).value
        assert found.height == height + 1
        assert found.top == pytest.approx(top + (math.log(rate) if height == 1 else 0))
        assert inner == math.inf or height > 1 or math.isfinite(found.top)


def test_towers_grow_where_their_parts_do():
    steps = [Tower(0, 3.0), Tower(0, 700.0), Tower(1, 601.0), Tower(1, 1e9), Tower(2, 601.0)]
    assert steps == sorted(steps)
    powers = [one.power(2.0) for one in steps]
    assert powers == sorted(powers)
    assert [one.value for one in steps[2:]] == [math.exp(601.0), math.inf, math.inf]
    assert [str(one) for one in powers[:3]] == ["403.4", "e^1400", "e^e^601.7"]


def test_the_first_layer_is_the_theorem_of_two_layers():
    found = WidthRecursion(5, (2.0,), (3.0,)).at(0.5).widths
    assert found[0].value == pytest.approx(3 * 4**5)


def test_depth_makes_a_tower():
    found = WidthRecursion(5, (1.0,) * 4, (1.0,) * 4).at(0.5)
    first, second, third, fourth = found.widths
    assert (first.value, second.value) == pytest.approx((2**5, 2**32))
    assert third.height == 1
    assert third.top == pytest.approx(2**32 * math.log(2))
    assert fourth.height == 2
    assert fourth.top == pytest.approx(third.top + math.log(math.log(2)))
    assert [found.reached(w) for w in ((31, 2**32), (32, 2**32 - 9), (32, 2**32, 9))] == [0, 1, 2]
    assert "layer 3: e^2.977e+09 units" in str(found)
    assert "reconstructed, constants as given" in str(found)
    json.dumps(found.to_json(), allow_nan=False)


@given(
    inputs=st.integers(1, 30),
    error=st.floats(0.01, 0.9),
    constant=st.floats(0.5, 10),
    radius=st.floats(1.0, 5.0),
)
def test_the_error_of_given_widths_undoes_the_recursion(inputs, error, constant, radius):
    recursion = WidthRecursion(inputs, (radius,), (constant,))
    (width,) = recursion.at(error).widths
    if width.height == 0:
        assert recursion.error((width.top,)) <= error * (1 + 1e-6)
        assert recursion.error((width.top * 0.99,)) > error


def test_low_dimension_helps_until_the_thickness_is_seen():
    flat, full = (WidthRecursion(50, (1.0,), (1.0,), k, 0.01) for k in ((3.0,), None))
    assert flat.at(0.1).widths[0].value == pytest.approx(10**3)
    assert full.at(0.1).widths[0].value == pytest.approx(10.0**50)
    assert flat.at(0.01).widths[0].value == pytest.approx(100**3)
    # Below η the growth is that of Theorem 5.2: halving the error costs 2^50.
    below = [flat.at(error).widths[0].value for error in (0.008, 0.004)]
    assert below[1] / below[0] == pytest.approx(2.0**50)
    assert any("within 0.01 of sets of dimension" in text for text in flat.at(0.1).hypotheses)


def test_few_inputs_fail_a_hypothesis():
    assert any("FAILS" in text for text in WidthRecursion(3, (1.0,), (1.0,)).at(0.1).hypotheses)


@pytest.mark.parametrize(("dimension", "power"), [(1, 1.0), (2, 2.0), (5, 2.0), (8, 1.0)])
def test_no_permutation_beats_the_floor(dimension, power):
    generator = torch.Generator().manual_seed(dimension)
    for width in (4, 64, 256):
        a, b = (
            torch.rand(width, dimension, generator=generator, dtype=torch.float64) for _ in "ab"
        )
        cost = torch.cdist(a, b) ** power
        best = float(cost[torch.arange(width), assignment(cost)].mean())
        floor = matching_floor(width, dimension, density=1.0, power=power)
        assert floor <= best
        assert width < 64 or best <= 40 * floor


def test_the_floor_counts_the_inputs_that_are_seen_least():
    # E (z - z')² = (w - w')ᵀ Σ (w - w') >= λ |w - w'|².
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.rand(100, 3, generator=generator, dtype=torch.float64) for _ in "ab")
    scales = torch.tensor([4.0, 1.0, 0.25], dtype=torch.float64).sqrt()
    cost = torch.cdist(a * scales, b * scales).square()
    best = float(cost[torch.arange(100), assignment(cost)].mean())
    floor = matching_floor(100, 3, 1.0, eigenvalue=0.25)
    assert floor == pytest.approx(0.25 * matching_floor(100, 3, 1.0))
    assert floor <= best


def test_errors_add_up_by_the_lemma():
    found = propagated_error((0.1, 0.2), (3, 5), first=2.0, second=0.5, start=1.0)
    assert found == pytest.approx((1.0 + 4 * 3 * 0.1, 2.2 + 4 * 5 * 0.2))


def test_the_older_rate_needs_far_more_units():
    error = 0.5
    units = error ** -(2 * 5 + 4)
    assert entezari_error(units, 5) == pytest.approx(error)
    assert units > WidthRecursion(5, (1.0,), (1.0,)).at(error).widths[0].value


@pytest.mark.parametrize(
    ("work", "words"),
    [
        (lambda: WidthRecursion(5, (1.0,), (1.0, 2.0)), "2 constants and 1 radii"),
        (lambda: WidthRecursion(5, (), ()), "0 radii and 0 radii; give one of each"),
        (lambda: WidthRecursion(5, (-1.0,), (1.0,)), "radii are .*, expected positive numbers"),
        (lambda: WidthRecursion(0, (1.0,), (1.0,)), "inputs is 0 and thickness 0.0"),
        (lambda: WidthRecursion(5, (1.0,), (1.0,)).at(0.0), "error is 0.0, expected a positive"),
        (lambda: WidthRecursion(5, (1.0,), (1.0,)).error((3, 4)), "2 widths for 1 hidden layers"),
        (lambda: matching_floor(10, 0, 1.0), "dimension is 0, expected a positive number"),
        (lambda: propagated_error((1,), (), 1, 1), "1 errors and 0 widths"),
        (lambda: entezari_error(0.5, 3), "width is 0.5 and inputs 3"),
    ],
)
def test_wrong_numbers_are_refused(work, words):
    with pytest.raises(BadInput, match=words):
        work()


def test_too_few_units_reach_no_error():
    recursion = WidthRecursion(5, (1.0, 1.0), (10.0, 1.0))
    assert recursion.error((5, 10**9)) == math.inf
    assert recursion.error((10**6, 10**9)) < 1
