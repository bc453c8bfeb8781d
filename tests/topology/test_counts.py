"""Counts: products, partitions, how they print."""

from __future__ import annotations

import json
import math

import pytest

from isthmus.ground import Certificate, Verdict
from isthmus.topology.counts import (
    ComponentCount,
    CountFactor,
    milnor_thom,
    partition_components,
    product_components,
    written,
)


def count(of: str, least: float, most: float | None = None) -> ComponentCount:
    logs = (math.log(least), math.log(least if most is None else most))
    return ComponentCount(of, "by hand", *logs, (Certificate(f"{of} is known", Verdict.PROVED),))


def test_a_product_has_the_product_of_the_counts():
    """Proposition 3.5, bounds and hypotheses of all included."""
    whole = product_components([count("A", 3), count("B", 4), count("C", 1)], "A × B × C")
    assert (whole.count, whole.exact) == (12, True)
    assert [hypothesis.claim[0] for hypothesis in whole.hypotheses] == ["A", "B", "C"]
    bounded = product_components([count("A", 3), count("B", 1, 4)], "A × B")
    assert bounded.count is None
    assert str(bounded).startswith("3 to 12 components of A × B\n  theorem: |π₀(X × Y)|")
    assert "Proposition 3.5" in str(bounded)


def test_a_union_has_at_most_the_sum():
    """Proposition 3.8; the sum may be infinite."""
    union = partition_components([count("A", 3), count("B", 2, 4)], "A or B")
    assert (union.log_least, union.log_most) == (0.0, pytest.approx(math.log(7)))
    assert partition_components([count("A", 1)], "A").count == 1
    endless = ComponentCount("Z", "by hand", math.inf, math.inf)
    assert partition_components([endless, count("A", 2)], "Z or A").log_most == math.inf
    large = ComponentCount("S", "by hand", 5000.0, 5000.0)
    assert partition_components([large, large], "two").log_most == pytest.approx(5000 + math.log(2))


def test_large_counts_keep_their_logarithm():
    large = ComponentCount("S", "by hand", 5000.0, 5000.0)
    assert (large.exact, large.count) == (True, None)
    assert str(large).startswith("e^5000 components of S")
    assert [written(x) for x in (0.0, math.log(24), -math.log(2), math.inf)] == [
        "1",
        "24",
        "1/2",
        "infinitely many",
    ]


def test_one_component_is_singular():
    assert str(count("the sphere", 1)).startswith("1 component of the sphere\n")


def test_counts_are_plain_data():
    one = ComponentCount("X", "T", 0.0, math.inf, (), (CountFactor("a", math.log(2)),))
    data = json.loads(json.dumps(one.to_json(), allow_nan=False))
    assert data["count"] is None
    assert data["log_most"] == "inf"
    assert data["factors"][0]["name"] == "a"
    assert json.loads(json.dumps(count("A", 4).to_json()))["count"] == 4


def test_the_bound_for_algebraic_sets_holds_where_it_can_be_counted():
    """A polynomial of degree d on the line has at most d zeros; a conic at most two parts."""
    assert all(milnor_thom(d, 1) == pytest.approx(math.log(d)) for d in range(1, 6))
    assert math.exp(milnor_thom(2, 2)) >= 2
