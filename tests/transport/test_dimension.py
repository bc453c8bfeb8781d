"""Dimensions: known ones recovered, laws of the trace ratio, intervals that mean something."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from isthmus.ground.errors import BadInput, NotFinite, ShapeMismatch
from isthmus.transport.dimension.effective import effective_dimension, trace_ratio
from isthmus.transport.dimension.intrinsic import LevinaBickel, TwoNearest, intrinsic_dimension
from isthmus.transport.estimate import Estimate
from isthmus.transport.measures.measure import Measure


def sphere(dimension: int, points: int, seed: int, ambient: int = 40) -> Tensor:
    """Points of a D-sphere, curled into more dimensions by waves of their coordinates."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(points, dimension + 1, generator=generator, dtype=torch.float64)
    x = x / x.norm(dim=1, keepdim=True)
    into = torch.randn(dimension + 1, ambient, generator=generator, dtype=torch.float64)
    return torch.cat([x, torch.sin(x @ into / math.sqrt(ambient)) / 4], 1)


@pytest.mark.parametrize("dimension", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("estimator", [TwoNearest(), LevinaBickel()])
def test_planted_dimensions_are_recovered(
    dimension: int, estimator: TwoNearest | LevinaBickel
) -> None:
    found = [
        intrinsic_dimension(Measure(sphere(dimension, 800, seed)), estimator) for seed in (0, 1, 2)
    ]
    mean = sum(one.value for one in found) / 3
    # Within 4 % up to three dimensions; 10 % below the truth at eight, where neighbours are far.
    assert mean == pytest.approx(dimension, rel=0.04 if dimension <= 3 else 0.1)
    assert all(one.low < one.value < one.high for one in found)


@pytest.mark.parametrize(("estimator", "least"), [(TwoNearest(), 82), (LevinaBickel(), 78)])
def test_intervals_hold_the_truth_as_often_as_they_say(
    estimator: TwoNearest | LevinaBickel, least: int
) -> None:
    found = [
        intrinsic_dimension(Measure(sphere(2, 300, seed)), estimator, level=0.9)
        for seed in range(100)
    ]
    held = sum(one.holds(2) for one in found)
    assert least <= held <= 98
    wide = intrinsic_dimension(Measure(sphere(2, 300, 0)), estimator, level=0.999)
    assert wide.high - wide.low > found[0].high - found[0].low


def test_the_uncorrected_mean_is_too_large_for_few_neighbours() -> None:
    measure = Measure(sphere(3, 600, 0))
    plain, corrected = (
        intrinsic_dimension(measure, LevinaBickel(5, corrected=c)).value for c in (False, True)
    )
    assert plain > 1.2 * corrected
    assert corrected == pytest.approx(3, rel=0.06)


def test_equal_atoms_and_signs_change_nothing() -> None:
    atoms = sphere(2, 200, 0)
    once, twice = Measure(atoms), Measure(torch.cat([atoms, atoms]))
    assert intrinsic_dimension(once) == intrinsic_dimension(twice)
    generator = torch.Generator().manual_seed(1)
    flips = torch.randint(0, 2, (200, 1), generator=generator).double() * 2 - 1
    signs = torch.stack([torch.ones(atoms.shape[1]), -torch.ones(atoms.shape[1])]).double()
    moved = Measure(torch.cat([atoms + 5, (atoms + 5) * flips]), signs=signs)
    assert intrinsic_dimension(moved).value == pytest.approx(
        intrinsic_dimension(once).value, rel=1e-6
    )


clouds = st.integers(0, 9999).map(
    lambda seed: torch.randn(
        3 + seed % 13, 1 + seed % 7, generator=torch.Generator().manual_seed(seed)
    ).double()
)


@given(rows=clouds, centred=st.booleans())
def test_it_is_the_ratio_of_traces(rows: Tensor, centred: bool) -> None:
    x = rows - rows.mean(0) if centred else rows
    for moment in (x.T @ x, x @ x.T):
        ratio = float(moment.trace() ** 2 / (moment @ moment).trace())
        found = effective_dimension(rows, centred=centred)
        assert found.value == pytest.approx(ratio, rel=1e-9)
        assert trace_ratio(moment) == pytest.approx(ratio, rel=1e-9)
    assert 1 - 1e-9 <= found.value <= min(rows.shape) + 1e-9
    scaled = effective_dimension(-3 * rows, centred=centred)
    assert scaled.value == pytest.approx(found.value, rel=1e-9)


@given(rows=clouds, unbiased=st.booleans())
def test_the_jackknife_leaves_out_each_row_once(rows: Tensor, unbiased: bool) -> None:
    if len(rows) < 4:
        return
    n = len(rows)
    found = effective_dimension(rows, unbiased=unbiased)
    rest = torch.arange(n)
    each = torch.tensor(
        [effective_dimension(rows[rest != i], unbiased=unbiased).value for i in range(n)]
    ).double()
    error = float(((n - 1) / n * (each - each.mean()).square().sum()).sqrt())
    assert found.high - found.value == pytest.approx(1.959964 * error, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("dimension", [5, 60])
def test_the_unbiased_ratio_is_that_of_the_law(dimension: int) -> None:
    draws = [
        torch.randn(80, dimension, generator=torch.Generator().manual_seed(s)) for s in range(60)
    ]
    found = [effective_dimension(x, unbiased=True) for x in draws]
    assert sum(one.value for one in found) / 60 == pytest.approx(dimension, rel=0.02)
    assert sum(one.holds(dimension) for one in found) >= 52
    plain = sum(effective_dimension(x).value for x in draws) / 60
    assert plain == pytest.approx(80 * dimension / (80 + dimension), rel=0.03)


def test_estimates_map_and_print() -> None:
    one = Estimate(2.0, 1.0, 4.0, 0.95, "a guess")
    assert one.mapped(lambda x: 1 / x) == Estimate(0.5, 0.25, 1.0, 0.95, "a guess")
    assert str(one) == "2 [1, 4]"
    assert one.holds(1)
    assert not one.holds(4.5)


def test_what_is_refused() -> None:
    few = Measure(torch.eye(3))
    with pytest.raises(BadInput, match="3 different atoms, and each is to have 2 neighbours; give"):
        intrinsic_dimension(few)
    with pytest.raises(BadInput, match="at one distance; use LevinaBickel"):
        intrinsic_dimension(Measure(torch.eye(9)))
    with pytest.raises(BadInput, match="2 neighbours; give at least 3"):
        LevinaBickel(2)
    with pytest.raises(BadInput, match="discard is 1"):
        TwoNearest(1)
    with pytest.raises(BadInput, match="level is 95"):
        intrinsic_dimension(few, level=95)
    with pytest.raises(BadInput, match="2 points have no interval"):
        effective_dimension(torch.ones(2, 2))
    with pytest.raises(BadInput, match="all points are 0"):
        effective_dimension(torch.zeros(4, 2))
    with pytest.raises(NotFinite):
        effective_dimension(torch.full((4, 2), torch.inf))
    with pytest.raises(ShapeMismatch):
        effective_dimension(torch.ones(4))
