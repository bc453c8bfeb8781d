"""Charges: conserved by gradient flow, and by descent up to what is predicted exactly."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import isthmus
from isthmus.ground import params_of
from isthmus.ground.params import norm
from isthmus.landscape.dynamics import ChargeMonitor, charges
from isthmus.landscape.dynamics.charges import Pairing
from isthmus.landscape.running import place
from isthmus.testing.zoo import entry


def network(*modules: nn.Module) -> nn.Module:
    return nn.Sequential(*modules).double()


def asis(model, example):
    return isthmus.discover(model, example, gauge="asis")


def gradient(model, criterion, params, x, y):
    held = {n: t.clone().requires_grad_() for n, t in params.items()}
    loss = criterion(torch.func.functional_call(model, held, (x,)), y)
    return dict(zip(held, torch.autograd.grad(loss, list(held.values())), strict=True))


def flowed(slope, params, time, steps):
    """Gradient flow by the classical method of Runge and Kutta."""
    h = time / steps

    def plus(w, k, size):
        return {n: w[n] - size * k[n] for n in w}

    for _ in range(steps):
        one = slope(params)
        two = slope(plus(params, one, h / 2))
        three = slope(plus(params, two, h / 2))
        four = slope(plus(params, three, h))
        params = {
            n: t - h / 6 * (one[n] + 2 * two[n] + 2 * three[n] + four[n]) for n, t in params.items()
        }
    return params


@pytest.fixture
def data():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(40, 5, generator=generator, dtype=torch.float64)
    return x, torch.randn(40, 3, generator=generator, dtype=torch.float64)


def test_the_charge_of_two_matrices_is_the_difference_of_their_products() -> None:
    model = network(nn.Linear(5, 4, bias=False), nn.Linear(4, 3, bias=False))
    found = charges(asis(model, torch.zeros(2, 5, dtype=torch.float64)), params_of(model))
    first, second = model[0].weight.detach(), model[1].weight.detach()
    (matrix,) = found.values.values()
    assert torch.allclose(matrix.reshape(4, 4), first @ first.T - second.T @ second)


def test_the_charge_of_a_rectified_unit_is_the_difference_of_its_squared_norms() -> None:
    model = network(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3))
    found = charges(asis(model, torch.zeros(2, 5, dtype=torch.float64)), params_of(model))
    arriving = model[0].weight.square().sum(1) + model[0].bias.square()
    (units,) = found.values.values()
    assert torch.allclose(units, arriving.detach() - model[2].weight.detach().square().sum(0))


@pytest.mark.parametrize(
    "modules",
    [
        lambda: (nn.Linear(5, 4, bias=False), nn.Linear(4, 4, bias=False), nn.Linear(4, 3)),
        lambda: (nn.Linear(5, 8), nn.LeakyReLU(0.1), nn.Linear(8, 4), nn.Linear(4, 3)),
    ],
    ids=["linear", "leaky"],
)
def test_gradient_flow_conserves_them(modules, data) -> None:
    torch.manual_seed(0)
    model, (x, y) = network(*modules()), data
    symmetry, start = asis(model, x[:2]), params_of(model)
    end = flowed(lambda w: gradient(model, F.mse_loss, w, x, y), start, 2.0, 400)
    moved = charges(symmetry, start).apart(charges(symmetry, end))
    assert sum(float((end[n] - start[n]).norm()) for n in start) > 0.3
    assert max(moved.values()) < 1e-6


def test_a_penalty_that_the_group_does_not_carry_breaks_them(data) -> None:
    torch.manual_seed(0)
    model, (x, y) = network(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3)), data
    symmetry, start = asis(model, x[:2]), params_of(model)

    def slope(w):
        found = gradient(model, F.mse_loss, w, x, y)
        return found | {"0.weight": found["0.weight"] + 0.1 * w["0.weight"].sign()}

    end = flowed(slope, start, 2.0, 100)
    assert max(charges(symmetry, start).apart(charges(symmetry, end)).values()) > 1e-3


@pytest.mark.parametrize("name", ["gpt", "llama", "vgg", "gated_reglu", "mlp_relu_squared"])
def test_a_gradient_pairs_to_zero_with_every_direction(name) -> None:
    """⟨∇L, ξ w⟩ = 0, which is why charges are conserved; a random vector does not."""
    one = entry(name)
    model, example = one.build().double(), place(one.example(), torch.device("cpu"), torch.float64)
    symmetry, start = asis(model, example), params_of(model)
    trained = [n for n, _ in model.named_parameters() if n in start]
    held = {n: start[n].requires_grad_() for n in trained}
    inputs = example if isinstance(example, tuple) else (example,)
    outputs = torch.func.functional_call(model, start | held, inputs)
    slopes = torch.autograd.grad(outputs.square().mean(), list(held.values()))
    pairing = Pairing(symmetry, trained)
    w = pairing.coordinates(start)

    def pairs(v):
        found = pairing.of({n: v[n] for n in w}, w)
        size = norm({n: v[n] for n in w}) * norm(w)
        return max(float(one.abs().max()) for one in found.values()) / size

    gradient = dict(zip(held, slopes, strict=True))
    assert pairing.moved
    assert pairs(gradient) < 1e-10
    assert pairs({n: torch.randn_like(t) for n, t in w.items()}) > 1e-4


@pytest.mark.parametrize(
    "settings",
    [
        {"lr": 0.05},
        {"lr": 0.05, "weight_decay": 0.02},
        {"lr": 0.02, "momentum": 0.9},
        {"lr": 0.02, "momentum": 0.9, "weight_decay": 0.01},
    ],
    ids=str,
)
def test_descent_in_steps_follows_the_prediction_exactly(settings, data) -> None:
    torch.manual_seed(0)
    model, (x, y) = network(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 4), nn.Linear(4, 3)), data
    optimiser = torch.optim.SGD(model.parameters(), **settings)
    monitor = ChargeMonitor(asis(model, x[:2]), model, optimiser)
    for step in range(60):
        part = slice(8 * (step % 5), 8 * (step % 5) + 8)
        optimiser.zero_grad()
        F.mse_loss(model(x[part]), y[part]).backward()
        optimiser.step()
        last = monitor.record()
    assert last.step == 60
    assert max(last.off_descent.values()) < 1e-12
    assert max(last.drift.values()) > 1e-5  # steps are no flow: without the squares it is off
    if "momentum" not in settings:
        assert max(last.off_flow.values()) < max(last.drift.values()) + 1e-12


def test_of_another_optimiser_only_the_drift_is_told(data) -> None:
    torch.manual_seed(0)
    model, (x, y) = network(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3)), data
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    monitor = ChargeMonitor(asis(model, x[:2]), model, optimiser)
    F.mse_loss(model(x), y).backward()
    optimiser.step()
    found = monitor.record()
    assert found.drift
    assert not found.off_descent


def test_batch_norm_in_training_mode_conserves_what_it_does_not_see(data) -> None:
    """Statistics of the batch: the running ones are no part of the loss."""
    torch.manual_seed(0)
    model, (x, y) = (
        network(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)),
        data,
    )
    symmetry = asis(model.eval(), x[:2])
    model.train()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05)
    monitor = ChargeMonitor(symmetry, model, optimiser)
    for _ in range(30):
        optimiser.zero_grad()
        F.mse_loss(model(x), y).backward()
        optimiser.step()
        last = monitor.record()
    kept = monitor.charges.values["0"] != 0
    assert int(kept.sum()) == 8 < kept.numel()  # scales behind the norm, not in front of it
    assert max(last.off_descent.values()) < 1e-12


def test_a_folded_gauge_is_refused() -> None:
    model = nn.Sequential(nn.Linear(5, 4), nn.LayerNorm(4), nn.Linear(4, 3))
    symmetry = isthmus.discover(model, torch.zeros(2, 5), gauge="folded")
    with pytest.raises(isthmus.IsthmusError, match="folded coordinates"):
        charges(symmetry, params_of(model))


def test_a_step_without_gradients_is_refused(data) -> None:
    model, (x, y) = network(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3)), data
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    monitor = ChargeMonitor(asis(model, x[:2]), model, optimiser)
    F.mse_loss(model(x), y).backward()
    optimiser.step()
    optimiser.zero_grad()
    with pytest.raises(isthmus.IsthmusError, match="no gradient"):
        monitor.record()
