"""Sheets of one-dimensional networks: Proposition 4.3 and its generalisations, by labelling."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.ground import BadInput
from isthmus.topology.sheets import sheets

STEPS = {1: 101, 2: 41, 3: 25, 4: 13, 5: 7}


@pytest.mark.parametrize("factors", STEPS)
def test_without_a_skip_connection_there_are_two_to_the_factors(factors):
    found = sheets(0.0, factors, steps=STEPS[factors])
    assert found.count == found.expected == 2**factors
    assert len(set(found.signs)) == found.count
    assert all(all(signs) for signs in found.signs)


@pytest.mark.parametrize("skip", [1.0, -1.0, 0.3, -2.5])
@pytest.mark.parametrize("factors", STEPS)
def test_with_one_there_are_one_and_half_as_many(factors, skip):
    found = sheets(skip, factors, steps=STEPS[factors])
    assert found.count == found.expected == 1 + 2 ** (factors - 1)
    origin = found.labels[(STEPS[factors] // 2,) * factors]
    assert not any(found.signs[origin - 1])
    others = {signs for k, signs in enumerate(found.signs) if k + 1 != origin}
    # The others fill the orthants in which the product is against the skip connection.
    assert all(np.prod(signs) == -np.sign(skip) for signs in others)
    assert len(others) == 2 ** (factors - 1)


def test_figure_1_has_four_sheets_and_three():
    plain, skipped = sheets(0.0), sheets(1.0)
    assert (plain.count, skipped.count) == (4, 3)
    assert plain.equation == "W₃ W₂ W₁ = 1"
    assert skipped.equation == "W₃ (W₂ W₁ + 1) = 1"
    assert [skipped.name(k) for k in (1, 2, 3)] == [
        "through the origin", "W₁ < 0, W₂ > 0", "W₁ > 0, W₂ < 0",
    ]  # fmt: skip
    assert "3 sheets on a grid of 61 values a side" in str(skipped)
    assert str(skipped).endswith("; Zhao et al., Proposition 4.3, says 3")
    assert str(sheets(0.0, 3, steps=9)).endswith("Proposition 4.3, for k factors, says 8")
    data = json.loads(json.dumps(plain.to_json(), allow_nan=False))
    assert (data["count"], data["steps"], data["signs"][0]) == (4, 61, [-1, -1])


@given(
    st.floats(-3, 3).map(lambda e: round(e, 2)), st.integers(2, 20), st.floats(0.05, 0.95),
    st.floats(2.5, 9),
)  # fmt: skip
def test_the_count_does_not_depend_on_the_grid_or_the_margin(skip, half, share, extent):
    margin = share * (abs(skip) or 1.0)
    found = sheets(skip, extent=extent, steps=2 * half + 1, margin=margin)
    assert found.count == (3 if skip else 4)


def test_every_place_of_a_sheet_is_on_the_surface():
    found = sheets(-0.5, factors=2, steps=21)
    w1, w2 = np.meshgrid(found.axis, found.axis, indexing="ij")
    inside = found.labels > 0
    residual = found.heights * (w2 * w1 - 0.5) - 1
    assert np.abs(residual[inside]).max() < 1e-12
    assert np.isnan(found.heights[~inside]).all()
    assert (np.abs(w2 * w1 - 0.5)[~inside] < found.margin).all()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"steps": 20}, "odd number of values"),
        ({"factors": 0}, "at least 1 factor"),
        ({"factors": 9}, "use fewer"),
        ({"margin": 1.0}, "below its size"),
        ({"skip": 0.0, "margin": 0.0}, "above 0"),
        ({"skip": 9.0}, "extent above 3.041"),
        ({"extent": float("nan")}, "does not reach every sheet"),
    ],
)
def test_what_makes_no_sense_is_refused(words, message):
    with pytest.raises(BadInput, match=message):
        sheets(**words)


def test_a_hyperbola_has_two_branches():
    assert sheets(0.0, factors=1, steps=5).labels.tolist() == [2, 2, 0, 1, 1]
