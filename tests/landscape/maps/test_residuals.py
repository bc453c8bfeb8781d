"""The residual bound holds for every t, adds up by layers, and refuses what it does not know."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from isthmus.ground import BadInput, UnknownOperator, Verdict, params_of
from isthmus.landscape import Line, Loss, OrbitPath
from isthmus.landscape.barriers import barrier
from isthmus.landscape.maps import residual_bound
from isthmus.landscape.running import run


def case(seed, widths=(4, 7, 6, 3), distance=1.0, bias=True, samples=12):
    torch.manual_seed(seed)
    layers = [nn.Flatten()]
    for n, m in pairwise(widths):
        layers += [nn.Linear(n, m, bias=bias), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    a = params_of(model)
    b = {n: t + distance * torch.randn_like(t) * t.std() for n, t in a.items()}
    x, y = torch.randn(samples, 2, widths[0] // 2), torch.randint(0, widths[-1], (samples,))
    return model, Line(a, b), [(x[:5], y[:5]), (x[5:], y[5:])]


def residuals(model, line, batches, t):
    """The mean over samples of ‖f(t) - (1 - t) f(0) - t f(1)‖, in float64."""
    wide = {n: p.double() for n, p in line.a.items()}, {n: p.double() for n, p in line.b.items()}
    x = torch.cat([x for x, _ in batches]).double()
    with torch.no_grad():
        f0, f1, f = (run(model, p, x) for p in (*wide, Line(*wide)(t)))
    return float((f - (1 - t) * f0 - t * f1).norm(dim=1).mean())


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    widths=st.sampled_from([(4, 3), (4, 7, 3), (4, 7, 6, 3), (2, 3, 9, 4, 2)]),
    distance=st.sampled_from([0.0, 1e-6, 0.1, 1.0, 5.0]),
    t=st.floats(0, 1),
    bias=st.booleans(),
)
def test_nothing_on_the_line_exceeds_the_bound(seed, widths, distance, t, bias):
    model, line, batches = case(seed, widths, distance, bias)
    loss = Loss(model, batches, F.cross_entropy, dtype=torch.float64)
    bound = residual_bound(loss, line)
    assert residuals(model, line, batches, t) <= bound.output
    assert barrier(loss, line, points=9).height <= bound.barrier + 1e-7  # its points are rounded
    assert bound.output == pytest.approx(sum(bound.shares))
    assert bound.certificate.verdict is Verdict.PROVED
    assert bound.certificate.evidence["upper"] == bound.barrier


def test_equal_models_have_next_to_nothing():
    model, line, batches = case(0, distance=0.0)
    assert residual_bound(Loss(model, batches, F.cross_entropy), line).barrier < 1e-9


def test_the_bound_of_a_linear_network_of_two_layers_is_sharp():
    # One unit and one sample: the residual is t (1 - t) times both steps and x.
    model = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)).double()
    a = {"0.weight": torch.tensor([[1.0]]).double(), "1.weight": torch.tensor([[2.0]]).double()}
    b = {"0.weight": torch.tensor([[4.0]]).double(), "1.weight": torch.tensor([[7.0]]).double()}
    loss = Loss(model, [(torch.ones(1, 1), torch.zeros(1, 1))], nn.MSELoss())
    bound = residual_bound(loss, Line(a, b), lipschitz=1.0)
    assert bound.output == pytest.approx(3 * 5 / 4)
    assert bound.shares == pytest.approx((0.0, 3 * 5 / 4), abs=1e-9)


def test_it_names_the_layer_that_makes_the_barrier(relu):
    weights = dict(relu.params)
    moved = {**weights, "2.weight": -weights["2.weight"]}
    loss = Loss(relu.model, [(relu.x, torch.zeros(7, 2).double())], nn.MSELoss())
    bound = residual_bound(loss, Line(weights, moved))
    assert bound.layers == ("0", "2", "4")
    assert bound.shares[0] < 1e-9 < bound.shares[1]
    assert bound.switching[0] < 1e-9 < bound.switching[1]
    lines = str(bound).splitlines()
    assert lines[0].startswith("barrier ≤ ")
    assert lines[1].split() == ["layer", "commuting", "switching", "gain", "share"]
    orbit = OrbitPath(relu.symmetry, relu.symmetry.sample(1), relu.params)
    assert residual_bound(loss, Line(relu.params, orbit.end)).barrier > 0


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (nn.Sequential(nn.Linear(2, 2), nn.Tanh()), "module '1' is a Tanh, and the residual bound"),
        (nn.Sequential(nn.ReLU(), nn.Linear(2, 2)), "module '0' is a ReLU"),
        (nn.Sequential(nn.Linear(2, 2), nn.Flatten()), "module '1' is a Flatten"),
        (nn.Linear(2, 2), "the model is a Linear"),
    ],
)
def test_other_modules_are_refused_by_name(model, words):
    params = params_of(model)
    loss = Loss(model, [(torch.zeros(1, 2), torch.zeros(1))], nn.MSELoss())
    with pytest.raises(UnknownOperator, match=words):
        residual_bound(loss, Line(params, params))


def test_no_samples_are_refused():
    model, line, _ = case(0)
    loss = Loss(model, [(torch.zeros(0, 4), torch.zeros(0).long())], F.cross_entropy)
    with pytest.raises(BadInput, match="no samples to bound the residual on"):
        residual_bound(loss, line)
