"""Data-dependent maps: the printed one, the anchored one, and what they keep."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from isthmus.ground import BadInput, Disconnected, distance, params_of
from isthmus.landscape import Line, Loss
from isthmus.landscape.data_maps import (
    Anchored,
    AsPrinted,
    Refitted,
    kept_outputs,
    two_legs,
)

few = settings(max_examples=20)
seeds = st.integers(0, 2**31)
sizes = st.integers(2, 12)


def _normal(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _layers(seed, units, samples):
    """U, A and A' of a net that is moved by any matrix g."""
    hidden, x = _normal(seed, units, 5), _normal(seed + 1, 5, samples)
    g = torch.eye(units, dtype=torch.float64) + 0.5 * _normal(seed + 2, units, units)
    reader = _normal(seed + 3, 3, units)
    return reader, torch.sigmoid(hidden @ x), torch.sigmoid(g @ hidden @ x)


@few
@given(seed=seeds, units=sizes, samples=sizes)
def test_pythagoras_is_an_identity(seed, units, samples):
    reader, before, after = _layers(seed, units, samples)
    kept = kept_outputs(reader, before, after)
    assert kept.before**2 == pytest.approx(kept.kept**2 + kept.lost**2, rel=1e-10)
    assert kept.exact == (kept.rank == samples)
    if kept.exact:
        assert kept.lost < 1e-6 * kept.before


@few
@given(seed=seeds, units=sizes, samples=sizes)
def test_the_anchored_map_has_the_same_outputs_and_is_nearest(seed, units, samples):
    reader, before, after = _layers(seed, units, samples)
    printed, anchored = (refit(reader, before, after) for refit in (AsPrinted(), Anchored()))
    size = float((reader @ before).norm()) * (1 + float(torch.linalg.cond(after)))
    assert float((printed @ after - anchored @ after).norm()) < 1e-11 * size
    room = 1e-9 * float(printed.norm())
    assert float((anchored - reader).norm()) <= float((printed - reader).norm()) + room


@few
@given(seed=seeds, units=sizes, samples=sizes)
def test_only_the_anchored_map_rests_where_nothing_moves(seed, units, samples):
    reader, before, _ = _layers(seed, units, samples)
    assert torch.equal(Anchored()(reader, before, before), reader)
    gap = float((AsPrinted()(reader, before, before) - reader).norm())
    if samples < units:  # the printed map forgets what no sample sees
        assert gap > 1e-6 * float(reader.norm())


def test_a_ridge_is_smooth_and_tends_to_the_exact_map():
    reader, before, after = _layers(0, 6, 4)
    exact = Anchored()(reader, before, after)
    gaps = [
        float((Anchored(ridge)(reader, before, after) - exact).norm()) for ridge in (1e-3, 1e-9)
    ]
    assert gaps[1] < 1e-3 * gaps[0] < gaps[0]


def _net(seed, width):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(4, 7), nn.Tanh(), nn.Linear(7, width), nn.ReLU6())
        model.append(nn.Linear(width, 2))
    return model.double()


def _minimum(seed, width, x, y):
    """A net that fits the data exactly: its reader is solved for."""
    model = _net(seed, width)
    hidden = torch.cat([model[:4](x).detach(), torch.ones(len(x), 1, dtype=torch.float64)], 1)
    solved = torch.linalg.pinv(hidden) @ y
    params = params_of(model)
    params["4.weight"], params["4.bias"] = solved[:-1].mT.contiguous(), solved[-1].clone()
    return params


def test_two_legs_have_no_loss_where_the_last_hidden_layer_is_wide():
    x, y = _normal(1, 10, 4), _normal(2, 10, 2)
    model = _net(0, 40)
    a, b = (_minimum(seed, 40, x, y) for seed in (3, 4))
    loss = Loss(model, [(x, y)], nn.functional.mse_loss, metrics={})
    assert max(loss(a), loss(b)) < 1e-20
    line = [one.loss for one in loss.along(Line(a, b), [k / 10 for k in range(11)])]
    path = two_legs(a, b, model, x, "4")
    losses = [one.loss for one in loss.along(path, [k / 40 for k in range(41)])]
    assert max(losses) < 1e-18 < 1e-3 < max(line)
    assert distance(path.start, a) < 1e-9
    assert distance(path.end, b) == 0
    assert path.kind == "refitted, linear"


def test_between_other_points_no_loss_is_above_the_larger_end():
    x, y = _normal(1, 10, 4), _normal(2, 10, 2)
    model = _net(0, 40)
    a, b = (params_of(_net(seed, 40)) for seed in (5, 6))
    loss = Loss(model, [(x, y)], nn.functional.mse_loss, metrics={})
    path = two_legs(a, b, model, x, "4")
    losses = [one.loss for one in loss.along(path, [k / 40 for k in range(41)])]
    assert losses[:20] == pytest.approx(20 * [loss(a)], rel=1e-9)
    assert max(losses) <= max(loss(a), loss(b)) * (1 + 1e-9)


def test_a_narrow_layer_is_refused_and_loses_what_is_said():
    x = _normal(1, 30, 4)
    model = _net(0, 9)
    a, b = (params_of(_net(seed, 9)) for seed in (5, 6))
    with pytest.raises(Disconnected, match=r"rank 9 on 30 samples.*last hidden layer is wider"):
        two_legs(a, b, model, x, "4")
    path = Refitted(Line(a, b), model, x, "4")
    kept = path.kept(0.7)
    assert not kept.exact

    def outputs(params):
        return torch.func.functional_call(model, params, (x,))

    changed = float((outputs(path(0.7)) - outputs(a)).norm())
    assert changed == pytest.approx(kept.lost, rel=1e-9)
    assert changed < 0.9 * float((outputs(Line(a, b)(0.7)) - outputs(a)).norm())
    assert math.isclose(kept.before, float(outputs(a).norm()))
    assert str(kept).startswith("Kept\n  before")


def test_the_printed_map_leaves_the_start():
    x = _normal(1, 5, 4)
    model = _net(0, 9)
    a, b = (params_of(_net(seed, 9)) for seed in (5, 6))
    printed = Refitted(Line(a, b), model, x, "4", AsPrinted())
    anchored = Refitted(Line(a, b), model, x, "4")
    assert distance(anchored.start, a) == 0
    assert distance(printed.start, a) > 0.1


def test_a_reader_that_is_no_linear_module_is_named():
    params = params_of(_net(0, 9))
    with pytest.raises(BadInput, match="no linear module '3'; name one of 0, 2, 4"):
        Refitted(Line(params, params), _net(0, 9), _normal(1, 5, 4), "3")
