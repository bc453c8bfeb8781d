"""Barrier heights against closed forms, and what they say of themselves."""

from __future__ import annotations

import json
import math

import pytest
import torch
from torch import nn

from isthmus.ground import BadInput, Verdict, params_of
from isthmus.landscape import Line, Loss, OrbitPath, barrier


class Weight(nn.Module):
    """One number: the output is ``w`` for every input."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros((), dtype=torch.float64))

    def forward(self, x):
        return self.w.expand(len(x))


def at(value):
    return {"w": torch.tensor(value, dtype=torch.float64)}


def loss_of(function, metrics=None):
    """A loss that is ``function(w)``."""
    data = [(torch.zeros(4, 1), torch.zeros(4))]
    return Loss(Weight(), data, lambda out, _: function(out).mean(), metrics or {})


def test_height_is_measured_from_the_chord_and_the_mean_of_the_ends():
    # On w from -1 to 2 with loss 1 - w²: ends 0 and -3, top 1 at w = 0 (t = 1/3).
    found = barrier(loss_of(lambda w: 1 - w**2), Line(at(-1.0), at(2.0)), points=25)
    assert found.ends == (0.0, -3.0)
    # Above the chord -3t: 1 - (3t - 1)² + 3t = 9t(1 - t), largest at t = 1/2.
    assert found.height == pytest.approx(9 / 4, abs=1e-12)
    assert found.at == 0.5
    assert found.height_mean_ends == pytest.approx(1 + 3 / 2, abs=1e-12)
    assert found.ts == tuple(k / 24 for k in range(25))
    assert found.chord == pytest.approx([-3 * t for t in found.ts])
    assert found.losses == pytest.approx([1 - (3 * t - 1) ** 2 for t in found.ts])


def test_a_convex_loss_has_no_barrier():
    found = barrier(loss_of(lambda w: w**2), Line(at(-1.0), at(2.0)))
    assert found.height == 0
    assert found.at == 0
    assert found.height_mean_ends == pytest.approx(1.5)


def test_rescaled_relu_copy_has_the_barrier_of_proposition_5_3(relu):
    # mathematics.md 1.10 with k = 1: s - 1 = (m + 1/m - 2)/4 in the middle, loss (s - 1)² |Y|².
    m = 3.0
    weights = dict(relu.params)
    moved = {**weights, "2.weight": weights["2.weight"] * m, "2.bias": weights["2.bias"] * m}
    moved["4.weight"] = weights["4.weight"] / m
    zero = torch.zeros(2, dtype=torch.float64)
    weights["4.bias"] = moved["4.bias"] = zero
    y = relu.outputs(weights)
    loss = Loss(relu.model, [(relu.x, y)], nn.MSELoss())
    found = barrier(loss, Line(weights, moved), points=3)
    s = 1 + (m + 1 / m - 2) / 4
    assert found.height == pytest.approx((s - 1) ** 2 * float(y.square().mean()), rel=1e-9)
    orbit = OrbitPath(relu.symmetry, relu.symmetry.sample(1), weights)
    assert barrier(loss, orbit).height < 1e-24


def test_orbit_and_joint_are_named(relu):
    y = relu.outputs(relu.params)
    loss = Loss(relu.model, [(relu.x, y)], nn.MSELoss())
    orbit = OrbitPath(relu.symmetry, relu.symmetry.sample(1), relu.params)
    path = Line(relu.params, orbit.end).then(orbit.reversed())
    found = barrier(loss, path, points=5)
    assert found.kind == "linear, exact-flat"
    assert found.jumps == path.jumps != ()
    assert f"jump of {orbit.jump}" in str(found)


@pytest.mark.parametrize(
    "function",
    [
        lambda w: torch.where(w.abs() < 0.1, torch.nan, w),
        lambda w: torch.where(w.abs() < 0.1, torch.inf, w),
        lambda w: torch.where(w > 0.9, torch.nan, w),
    ],
    ids=["nan inside", "inf inside", "nan at the end"],
)
def test_a_loss_that_is_not_finite_gives_an_infinite_barrier(function):
    found = barrier(loss_of(function), Line(at(-1.0), at(1.0)), points=11)
    assert found.height == math.inf
    assert found.height_mean_ends == math.inf
    assert not math.isfinite(found.losses[found.ts.index(found.at)])
    assert found.certificate.evidence["not_finite"] == 1
    data = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert data["height"] == "inf"


def test_it_says_that_a_sampled_barrier_is_a_lower_bound():
    found = barrier(loss_of(lambda w: 1 - w**2), Line(at(-1.0), at(1.0)), points=5)
    assert found.certificate.verdict is Verdict.TESTED
    assert not found.certificate
    assert "a sampled barrier is a lower bound" in str(found.certificate)
    assert found.certificate.evidence == {"lower": 1.0, "points": 5, "samples": 4}
    assert str(found) == (
        "barrier ≥ 1 at t = 0.5 of a path (linear): 5 points; losses 0 and 0 at the ends"
    )


def test_metrics_and_plain_functions_and_progress():
    seen = []
    loss = loss_of(lambda w: w, {"double": lambda out, _: 2 * out.mean()})
    found = barrier(loss, lambda t: at(t), points=3, progress=lambda k, n: seen.append((k, n)))
    assert found.metrics == {"double": (0.0, 1.0, 2.0)}
    assert found.kind == "given"
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert "double 0, 0, 2" in str(found)
    assert set(found.to_json()) >= {"height", "at", "ts", "losses", "metrics", "certificate"}


@pytest.mark.parametrize("points", [1, 0, -3])
def test_at_least_both_ends(points):
    with pytest.raises(BadInput, match=f"points is {points}, expected at least 2; count both ends"):
        barrier(loss_of(lambda w: w), Line(at(0.0), at(1.0)), points=points)


def test_batch_norm_statistics_can_be_estimated_at_every_point():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 1))
    a = params_of(model)
    b = {
        name: -t if t.is_floating_point() and "running" not in name else t for name, t in a.items()
    }
    x = torch.randn(64, 3)
    batches = [(x, torch.zeros(64, 1))]
    loss = Loss(model, batches, nn.MSELoss())
    given = barrier(loss, Line(a, b), points=3)
    fresh = barrier(loss, Line(a, b), points=3, recompute_statistics=iter(batches))
    assert fresh.losses[0] != given.losses[0]
    expected = model.train()(x).square().mean()  # with the whole data as the one batch
    assert fresh.losses[0] == pytest.approx(float(expected.detach()), rel=0.05)
