"""Widths needed, dropout stability and rates: the law is met, and what fails is named."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

import pytest
import torch
from tests.transport.bounds.conftest import case
from torch import nn

from isthmus import Loss
from isthmus.ground import BadInput, Verdict
from isthmus.landscape.running import run
from isthmus.transport.bounds import (
    SquaredLoss,
    dropout_stability,
    mean_field_bound,
    width_for,
    width_rates,
)
from isthmus.transport.powers import fitted


@dataclass(frozen=True)
class Power:
    """A law by its numbers."""

    exponent: float
    logarithms: int = 0
    order: float = 2.0


def sphere(width, seed, name="tanh", dimension=5, apart=0.0):
    """Two networks, their units uniform on a sphere of that dimension; ``apart`` moves the second.

    A sphere has no edge, where laws are met late.
    """
    shape = (dimension - 1, width, 1)
    one = case(seed, name, shape, criterion=nn.MSELoss(), samples=10)
    generator = torch.Generator().manual_seed(seed)
    made = []
    for params, shift in ((one.a, 0.0), (one.b, apart)):
        rows = torch.randn(width, dimension + 1, generator=generator, dtype=torch.float64)
        rows = rows / rows.norm(dim=1, keepdim=True) + shift
        made.append(
            {
                **params,
                "up.weight": rows[:, : dimension - 1],
                "up.bias": rows[:, dimension - 1],
                "down.weight": rows[:, dimension:].mT,
            }
        )
    return one.loss, *made, one.symmetry


def bounded(width, seed=0, power=2.0, **options):
    loss, a, b, symmetry = sphere(width, seed, **options)
    return mean_field_bound(loss, a, b, symmetry, power, 1.0, SquaredLoss(), points=3)


@pytest.fixture(scope="module")
def found():
    return bounded(512)


@pytest.mark.parametrize(("order", "law"), [(1, 1 / 5), (2, 2 / 5)])
def test_distances_fall_by_the_law(found, order, law):
    width = width_for(1e-3, found, order=order, sizes=(32, 64, 128, 256), repetitions=32)
    assert width.fitted.value == pytest.approx(law, rel=0.15)
    assert width.fitted.low <= width.fitted.value <= width.fitted.high
    assert width.exponent == width.fitted.value
    assert 0.9 < width.ratio < 1.1


def test_the_bound_falls_by_the_law():
    widths = (64, 256, 1024)
    rows = {"Lipschitz, on the hull": 1 / 5, "smooth, on the hull": 2 / 5}
    both = [bounded(width, power=2.0) for width in widths]
    for name, law in rows.items():
        # The hull's constants still grow with the width, a little: the distances alone obey.
        power = 1 if name.startswith("Lipschitz") else 2
        constant = [b.lipschitz if power == 1 else b.curvature for b in both]
        values = [b.bounds[name].worst / c for b, c in zip(both, constant, strict=True)]
        exponent = float(fitted(widths, torch.tensor(values, dtype=torch.float64).log())[0])
        assert exponent == pytest.approx(law, rel=0.15)
        assert max(constant) < 1.5 * min(constant)


def test_a_wanted_error_that_is_reached_needs_the_width_that_there_is(found):
    # Anchored on the line through the measured distances, near the measured one.
    name = "smooth, on the hull"
    width = width_for(found.bounds[name].mean, found, law=Power(2 / 5), repetitions=32)
    assert width.needed[name].value == pytest.approx(512, rel=0.4)
    assert width.exponent == 2 / 5
    assert "W₂² falls like N^-0.4, fitted" in str(width)
    assert "proved is the bound at 512 units alone" in str(width)
    json.dumps(width.to_json(), allow_nan=False)


@pytest.mark.parametrize("order", [1, 2])
def test_the_width_of_a_bound_of_wider_networks_is_foretold(order):
    small, large = bounded(256), [bounded(1024, seed=seed) for seed in (3, 4)]
    for name in {1: ("Lipschitz, by pairs",), 2: ("smooth, by pairs", "products, by pairs")}[order]:
        error = sum(one.bounds[name].mean for one in large) / 2
        for law in (None, Power(order / 5, order=order)):
            width = width_for(error, small, law=law, order=order, repetitions=32)
            assert width.needed[name].value == pytest.approx(1024, rel=0.35)


def test_widths_are_those_of_the_exponent(found):
    one, half = (width_for(e, found, law=Power(2 / 5)).needed for e in (1e-3, 5e-4))
    for name, needed in one.items():
        assert half[name].value == pytest.approx(needed.value * 2 ** (5 / 2), rel=1e-9)
        assert needed.low <= needed.value <= needed.high
    names = ["smooth, on the hull", "smooth, by pairs", "products, by pairs", "measured"]
    assert list(one) == names
    values = [one[name].value for name in names]
    assert values == sorted(values, reverse=True)


def test_logarithms_of_the_law_count(found):
    plain, logarithmic = (
        width_for(1e-3, found, law=Power(0.5, k)).needed["smooth, on the hull"].value
        for k in (0, 1)
    )
    assert logarithmic > plain
    back = 0.5 * math.log(logarithmic) - math.log(math.log(logarithmic))
    other = width_for(2e-3, found, law=Power(0.5, 1)).needed["smooth, on the hull"].value
    assert back - (0.5 * math.log(other) - math.log(math.log(other))) == pytest.approx(math.log(2))


def test_no_width_is_found_where_distances_do_not_fall(found):
    needed = width_for(1e-3, found, law=Power(0.0)).needed
    assert {range_.value for range_ in needed.values()} == {math.inf}


def test_two_laws_are_seen():
    width = width_for(1e-3, bounded(256, apart=0.5))
    assert width.ratio > 1.5
    assert "do not look like draws from one law" in str(width)


def test_corners_leave_the_lipschitz_bound():
    found = bounded(64, name="relu", power=1.0)
    assert width_for(0.01, found).order == 1
    with pytest.raises(BadInput, match="fails: relu has a corner at 0.*give order 1"):
        width_for(0.01, found, order=2)


def test_a_copy_says_nothing_of_widths():
    loss, a, _, symmetry = sphere(64, 0)
    copy = mean_field_bound(loss, a, a, symmetry, convex=SquaredLoss())
    with pytest.raises(BadInput, match="the networks are equal but for a permutation: no gap"):
        width_for(1e-3, copy)


def test_wrong_arguments_are_refused(found):
    for options, words in (
        ({"error": 0.0}, "error is 0.0, expected a positive number"),
        ({"error": 1.0, "order": 3}, "order is 3, expected 1 or 2; give 1 for W₁"),
        (
            {"error": 1.0, "order": 1, "law": Power(0.4)},
            "order is 1 and the law is of W_2, expected",
        ),
        ({"error": 1.0, "law": Power(0.4, order=3.0)}, "order is None and the law is of W_3"),
        ({"error": 1.0, "sizes": (8, 512)}, "distances at 8, 512 of 512 units"),
        ({"error": 1.0, "repetitions": 1}, "repetitions is 1, expected at least 2"),
    ):
        with pytest.raises(BadInput, match=words):
            width_for(found=found, **options)


def dropped(loss, params, half):
    """The model's outputs with some units read twice, the others not at all."""
    weights = torch.zeros(params["down.weight"].shape[1], dtype=torch.float64)
    weights[half] = 2.0
    moved = {**params, "down.weight": params["down.weight"] * weights}
    x = torch.cat([x for x, _ in loss.batches])
    with torch.no_grad():
        return (run(loss.model, moved, x) - run(loss.model, params, x)).norm(dim=1)


@pytest.mark.parametrize("name", ["tanh", "relu"])
@pytest.mark.parametrize("mean", [True, False])
def test_dropout_moves_the_outputs_as_the_model_says_and_no_further_than_bounded(name, mean):
    one = case(2, name, (3, 10, 2), mean)
    found = dropout_stability(one.loss, one.a, one.symmetry, tries=3, seed=5)
    generator = torch.Generator().manual_seed(5)
    moved = [
        dropped(one.loss, one.a, torch.randperm(10, generator=generator)[5:]) for _ in range(3)
    ]
    assert found.mean == pytest.approx(float(torch.cat(moved).mean()), rel=1e-9)
    assert found.worst == pytest.approx(float(torch.cat(moved).max()), rel=1e-9)
    assert found.mean <= found.bound
    assert found.certificate.verdict is Verdict.TESTED
    assert found.certificate.margin >= 0


def test_copies_of_units_may_be_dropped():
    one = case(0, shape=(3, 4, 2))
    dims = {"up.weight": 0, "up.bias": 0, "down.weight": 1}
    twice = {n: torch.cat([t, t], dims[n]) if n in dims else t for n, t in one.a.items()}
    other = case(0, shape=(3, 8, 2))
    found = dropout_stability(other.loss, twice, other.symmetry, tries=40)
    assert found.mean > 0
    kept = dropped(other.loss, twice, torch.arange(4))
    assert float(kept.max()) < 1e-14


def test_no_half_of_an_odd_width_or_of_nothing():
    one = case(0, shape=(3, 5, 2))
    with pytest.raises(BadInput, match="there are 5 units: no half of them; use an even width"):
        dropout_stability(one.loss, one.a, one.symmetry)
    with pytest.raises(BadInput, match="tries is 0, expected at least 1"):
        dropout_stability(one.loss, one.a, one.symmetry, tries=0)
    empty = Loss(one.loss.model, [(torch.zeros(0, 3), torch.zeros(0).long())], nn.MSELoss())
    with pytest.raises(BadInput, match="no samples"):
        dropout_stability(empty, one.a, one.symmetry)


def test_dropout_and_the_line_have_one_rate():
    rates = width_rates(sphere, (64, 128, 256, 512), repetitions=3, convex=SquaredLoss())
    for name in ("dropout, W₁ of halves", "line, W₁ of networks"):
        assert rates.exponents[name].value == pytest.approx(1 / 5, rel=0.15)
    bounds = [rates.exponents[f"{what}, Lipschitz bound"].value for what in ("dropout", "line")]
    assert bounds[0] == pytest.approx(bounds[1], abs=0.05)
    for what in ("dropout", "line"):
        pairs = zip(
            rates.rows[f"{what}, measured"], rates.rows[f"{what}, Lipschitz bound"], strict=True
        )
        assert all(measured < bound for measured, bound in pairs)
    assert "dropout, measured" in str(rates)
    with pytest.raises(BadInput, match="1 widths and 4 repetitions, expected at least 2 of both"):
        width_rates(sphere, (8,))
