"""Refinement of the top, and intervals over the samples."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from isthmus.ground import BadInput
from isthmus.landscape import Bootstrap, Interval, Loss, Refinement, barrier


class Weight(nn.Module):
    """One number w, times the input."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros((), dtype=torch.float64))

    def forward(self, x):
        return self.w * x


def at(t):
    return {"w": torch.tensor(float(t), dtype=torch.float64)}


def loss_of(function, x=None, micro_batch=None):
    x = torch.ones(4, dtype=torch.float64) if x is None else x
    data = [(x, torch.zeros_like(x))]
    return Loss(Weight(), data, lambda out, _: function(out).mean(), {}, micro_batch=micro_batch)


@pytest.mark.parametrize("tolerance", [0.1, 1e-2, 1e-4])
@pytest.mark.parametrize("top", [0.004, 0.137, 0.5, 0.96])
def test_the_top_is_found_to_the_tolerance(tolerance, top):
    loss, seen = loss_of(lambda w: 3 * w - (w - top).abs()), []  # a tent above the chord
    found = barrier(
        loss, at, points=5, refine=Refinement(tolerance), progress=lambda *n: seen.append(n)
    )
    coarse = barrier(loss, at, points=5)
    above = [v - c for v, c in zip(found.losses, found.chord, strict=True)]
    place = found.ts.index(found.at)
    low, high = max(place - 1, 0), min(place + 1, len(found.ts) - 1)
    assert found.ts[high] - found.ts[low] <= tolerance
    assert found.height == max(above) >= coarse.height
    assert set(coarse.ts) <= set(found.ts)
    assert list(found.ts) == sorted(found.ts)
    assert abs(found.at - top) <= tolerance
    assert seen[-1][0] == seen[-1][1]
    assert all(a < b for (a, _), (b, _) in pairwise(seen))


def test_a_loss_that_is_not_finite_is_not_refined_and_has_no_interval():
    loss = loss_of(lambda w: torch.where(w == 0.5, torch.nan, w))
    found = barrier(loss, at, points=5, refine=Refinement(), interval=Bootstrap())
    assert len(found.ts) == 5
    assert found.height == math.inf
    assert found.interval is None


def test_every_sample_has_its_loss_whatever_the_steps():
    x = torch.randn(9, dtype=torch.float64)
    for size in (None, 1, 4):
        (found,) = loss_of(lambda w: w**2, x, size).along(at, [0.5], each=True)
        torch.testing.assert_close(found.each, x**2 / 4)
        assert found.loss == pytest.approx(float(found.each.mean()))
    assert loss_of(lambda w: w**2, x).along(at, [0.5])[0].each is None


def test_a_criterion_that_looks_at_numbers_is_called_for_every_sample():
    torch.manual_seed(0)
    x, y = torch.randn(6, 3), torch.randint(0, 3, (6,))

    def criterion(outputs, targets):
        assert int(targets.max()) < 3  # which vmap cannot
        return F.cross_entropy(outputs, targets)

    (found,) = Loss(nn.Identity(), [(x, y)], criterion).along(lambda t: {}, [0], each=True)
    torch.testing.assert_close(found.each, F.cross_entropy(x, y, reduction="none").double())


def test_a_criterion_that_is_no_mean_is_refused():
    x = torch.arange(4.0, dtype=torch.float64)
    loss = Loss(Weight(), [(x, x)], lambda o, _: o.sum(), {})
    with pytest.raises(BadInput, match=r"single samples have the mean 1\.5, but the criter"):
        loss.along(at, [1.0], each=True)


def test_the_interval_is_that_of_the_mean_where_theory_knows_it():
    # Height at the middle of (0, w x², 0): the mean of x², of known standard error.
    torch.manual_seed(0)
    x = torch.randn(400, dtype=torch.float64)
    loss = Loss(Weight(), [(x, x)], lambda out, y: (4 * out * (y - out)).mean(), {})
    found = barrier(loss, at, points=3, interval=Bootstrap(2000, seed=1))
    each = x**2
    error = float(each.std() / len(x) ** 0.5)
    assert found.height == pytest.approx(float(each.mean()))
    assert found.interval.low == pytest.approx(found.height - 1.96 * error, abs=0.2 * error)
    assert found.interval.high == pytest.approx(found.height + 1.96 * error, abs=0.2 * error)
    again = barrier(loss, at, points=3, interval=Bootstrap(2000, seed=1))
    assert again.interval == found.interval
    other = barrier(loss, at, points=3, interval=Bootstrap(2000, seed=2))
    assert other.interval != found.interval
    assert "(95% of 2000 resamples)" in str(found)
    assert found.to_json()["interval"]["level"] == 0.95


def test_options_out_of_range_are_refused():
    for make, words in (
        (lambda: Bootstrap(1), "resamples is 1, expected at least 2"),
        (lambda: Bootstrap(level=1), "level is 1, expected a number between 0 and 1"),
        (lambda: Refinement(0), "tolerance is 0, expected a number from 1e-9 to 1"),
    ):
        with pytest.raises(BadInput, match=words):
            make()
    assert str(Interval(0.1, 0.2, 0.9, 10)) == "0.1 to 0.2 (90% of 10 resamples)"
