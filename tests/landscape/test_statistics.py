"""BatchNorm statistics from data."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from isthmus.ground import BadInput, UnknownName, params_of
from isthmus.landscape import recompute_statistics


@pytest.fixture
def model():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Linear(3, 4), nn.Dropout(0.5), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2)
    )
    net[2].running_mean.fill_(7.0)
    net[2].num_batches_tracked.fill_(99)
    return net


def data(*sizes):
    generator = torch.Generator().manual_seed(1)
    return [(torch.randn(n, 3, generator=generator), None) for n in sizes]


def test_they_are_the_cumulative_average_over_the_batches(model):
    batches = data(8, 8, 5)
    params = params_of(model)
    found = recompute_statistics(model, params, batches)
    hidden = [x @ params["0.weight"].T + params["0.bias"] for x, _ in batches]  # dropout is off
    mean = torch.stack([h.mean(0) for h in hidden]).mean(0)
    var = torch.stack([h.var(0) for h in hidden]).mean(0)
    assert torch.allclose(found["2.running_mean"], mean, atol=1e-6)
    assert torch.allclose(found["2.running_var"], var, atol=1e-6)
    assert found["2.num_batches_tracked"] == 3
    assert list(found) == list(params)
    assert {n: t.dtype for n, t in found.items()} == {n: t.dtype for n, t in params.items()}


def test_nothing_else_changes(model):
    model.train()
    model[2].eval()
    model[2].momentum = 0.3
    state = copy.deepcopy(model.state_dict())
    params = params_of(model)
    kept = {name: t.clone() for name, t in params.items()}
    found = recompute_statistics(model, params, data(8))
    assert all(torch.equal(kept[n], t) for n, t in params.items())
    assert all(torch.equal(kept[n], t) for n, t in found.items() if not n.startswith("2."))
    assert torch.equal(found["2.weight"], kept["2.weight"])
    assert all(torch.equal(state[n], t) for n, t in model.state_dict().items())
    assert [m.training for m in model] == [True, True, False, True, True]
    assert model[2].momentum == 0.3


def test_they_depend_on_the_params_and_do_not_on_old_statistics(model):
    params = params_of(model)
    other = {**params, "2.running_mean": torch.zeros(4)}
    one, two = (recompute_statistics(model, p, data(8)) for p in (params, other))
    assert torch.equal(one["2.running_mean"], two["2.running_mean"])
    doubled = {**params, "0.weight": 2 * params["0.weight"], "0.bias": 2 * params["0.bias"]}
    three = recompute_statistics(model, doubled, data(8))
    assert torch.allclose(three["2.running_mean"], 2 * one["2.running_mean"], atol=1e-6)


def test_another_dtype_only_while_computing(model):
    params = params_of(model)
    found = recompute_statistics(model, params, data(8), dtype=torch.float64)
    assert found["2.running_var"].dtype == torch.float32
    assert torch.allclose(
        found["2.running_var"], recompute_statistics(model, params, data(8))["2.running_var"]
    )


def test_without_batch_norm_params_come_back():
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2, track_running_stats=False))
    params = params_of(model)
    found = recompute_statistics(model, params, [])
    assert found == params
    assert found is not params


def test_errors(model):
    params = params_of(model)
    with pytest.raises(BadInput, match="no batches to estimate the statistics on"):
        recompute_statistics(model, params, [])
    with pytest.raises(BadInput, match=r"inputs of shape \(1, 3\): Expected more than 1 value"):
        recompute_statistics(model, params, data(1))
    with pytest.raises(UnknownName, match="'4.bias' is missing"):
        recompute_statistics(model, {n: t for n, t in params.items() if n != "4.bias"}, data(8))
    assert model.training
    assert model[2].momentum == 0.1
