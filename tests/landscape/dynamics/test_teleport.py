"""Teleportation: the loss stays, the objective falls, and its slope is the true one."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import isthmus
from isthmus.algebra.elements import Element
from isthmus.ground import params_of
from isthmus.landscape import Loss
from isthmus.landscape.dynamics import Flattest, Steepest, teleport
from isthmus.landscape.dynamics.charges import Pairing
from isthmus.landscape.dynamics.slopes import gradient, hessian_times
from isthmus.testing.zoo.language import Gpt

CASES = {
    "linear": lambda: (nn.Linear(5, 4, bias=False), nn.Linear(4, 4, bias=False), nn.Linear(4, 3)),
    "leaky": lambda: (nn.Linear(5, 8), nn.LeakyReLU(0.1), nn.Linear(8, 4), nn.Linear(4, 3)),
    "norm": lambda: (nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)),
}


def problem(kind: str):
    """(loss, params, symmetry)."""
    torch.manual_seed(1)
    model = nn.Sequential(*CASES[kind]()).double().eval()
    x, y = torch.randn(30, 5).double(), torch.randn(30, 3).double()
    symmetry = isthmus.discover(model, x[:2], gauge="asis")
    return (
        Loss(model, [(x[:20], y[:20]), (x[20:], y[20:])], F.mse_loss, {}),
        params_of(model),
        symmetry,
    )


def along(symmetry, tangent, step):
    values = {n: symmetry.spaces[n].group.exp(step * t) for n, t in tangent.items()}
    return Element(symmetry, {**symmetry.identity().values, **values})


@pytest.mark.parametrize(
    "objective", [Steepest(), Flattest(probes=2)], ids=["steepest", "flattest"]
)
@pytest.mark.parametrize("kind", CASES)
def test_the_slope_is_that_of_the_figure(kind, objective) -> None:
    loss, params, symmetry = problem(kind)
    trained = [n for n, _ in loss.model.named_parameters()]
    pairing = Pairing(symmetry, trained)
    _, slope = objective(loss, params, pairing, 0)
    generator = torch.Generator().manual_seed(0)
    tangent = {n: torch.randn(t.shape, generator=generator).double() for n, t in slope.items()}
    tangent = {n: torch.where(slope[n] == 0, 0.0, t) for n, t in tangent.items()}
    expected = float(sum((slope[n] * t).sum() for n, t in tangent.items()))
    ends = [
        objective(loss, symmetry.act(along(symmetry, tangent, h), params), pairing, 0)[0]
        for h in (1e-5, -1e-5)
    ]
    assert (ends[0] - ends[1]) / 2e-5 == pytest.approx(expected, rel=1e-5)
    assert abs(expected) > 1e-3


@pytest.mark.parametrize("kind", CASES)
def test_the_loss_stays_and_the_gradient_grows(kind) -> None:
    loss, params, symmetry = problem(kind)
    found = teleport(params, loss, symmetry, steps=8, rate=0.1)
    trained = [n for n, _ in loss.model.named_parameters()]
    sizes = [
        math.sqrt(sum(float(t.square().sum()) for t in gradient(loss, p, trained).values()))
        for p in (params, found.params)
    ]
    assert found.moved == pytest.approx(found.loss, rel=1e-12)
    assert sizes[1] > 1.2 * sizes[0]
    assert sizes[1] == pytest.approx(math.exp(-found.figures[-1]), rel=1e-9)
    assert "loss" in str(found)


def test_a_flatter_point_has_a_smaller_trace() -> None:
    """All of the trace, not its estimate: a probe for every parameter."""
    loss, params, symmetry = problem("leaky")
    found = teleport(params, loss, symmetry, Flattest(probes=8), steps=15, rate=0.1)

    def trace(point) -> float:
        total = 0.0
        for name, _ in loss.model.named_parameters():
            for k in range(point[name].numel()):
                one = torch.zeros_like(point[name])
                one.view(-1)[k] = 1.0
                total += float(hessian_times(loss, point, {name: one})[name].view(-1)[k])
        return total

    assert trace(found.params) < 0.95 * trace(params)
    assert found.moved == pytest.approx(found.loss, rel=1e-12)


def test_the_hessian_is_that_of_differences() -> None:
    loss, params, _ = problem("leaky")
    v = {n: torch.randn_like(params[n]) for n, _ in loss.model.named_parameters()}
    up, down = (
        gradient(loss, {n: t + h * v[n] for n, t in params.items()}, list(v)) for h in (1e-6, -1e-6)
    )
    for name, found in hessian_times(loss, params, v).items():
        assert torch.allclose(found, (up[name] - down[name]) / 2e-6, atol=1e-6)


def test_attention_has_a_flatter_point_too() -> None:
    """Its fused kernel has no second derivative."""
    torch.manual_seed(0)
    model = Gpt(torch.nn.LayerNorm).double().eval()
    x = torch.randint(0, 5, (4, 5))
    symmetry = isthmus.discover(model, x, gauge="asis")
    loss = Loss(model, [(x, x)], lambda f, y: F.cross_entropy(f.flatten(0, 1), y.flatten()), {})
    found = teleport(params_of(model), loss, symmetry, Flattest(probes=2), steps=2, rate=0.01)
    assert found.moved == pytest.approx(found.loss, rel=1e-12)


def test_what_cannot_move_is_refused() -> None:
    model = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3))
    symmetry = isthmus.discover(model, torch.zeros(2, 5), gauge="asis")
    loss = Loss(model, [(torch.zeros(2, 5), torch.zeros(2, 3))], F.mse_loss, {})
    with pytest.raises(isthmus.IsthmusError, match="no scales or shears"):
        teleport(params_of(model), loss, symmetry)


def test_a_loss_that_is_not_finite_is_refused() -> None:
    loss, params, symmetry = problem("leaky")
    params["0.bias"][0] = math.inf
    with pytest.raises(isthmus.IsthmusError, match="the loss is"):
        teleport(params, loss, symmetry)
