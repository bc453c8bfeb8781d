"""Sublevel paths: nowhere above the worse end, where there are enough units and not before."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from isthmus import Loss, discover, params_of, sublevel_path
from isthmus.ground import Disconnected, Params, Verdict
from isthmus.testing.training import seeded

SAMPLES = 7


def network(width: int, bend: type[nn.Module], outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(3, width), bend(), nn.Linear(width, outputs)).double()


def pair(width: int, bend: type[nn.Module], outputs: int = 1) -> list[Params]:
    return [params_of(seeded(lambda: network(width, bend, outputs), k)) for k in (1, 2)]


def data(outputs: int, criterion=F.mse_loss):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(SAMPLES, 3, generator=generator, dtype=torch.float64)
    if criterion is F.cross_entropy:
        return x, torch.randint(outputs, (SAMPLES,), generator=generator)
    return x, torch.randn(SAMPLES, outputs, generator=generator, dtype=torch.float64)


def joined(width, bend, outputs=1, criterion=F.mse_loss):
    x, y = data(outputs, criterion)
    model = network(width, bend, outputs)
    # In two batches: readers are refitted to both.
    loss = Loss(model, [(x[:4], y[:4]), (x[4:], y[4:])], criterion, metrics={})
    a, b = pair(width, bend, outputs)
    return loss, a, b, sublevel_path(discover(model, x[:2]), a, b, loss)


@pytest.mark.parametrize(
    ("bend", "outputs", "criterion"),
    [
        (nn.ReLU, 1, F.mse_loss),
        (nn.Tanh, 2, F.mse_loss),
        (nn.GELU, 3, F.cross_entropy),
        (nn.Identity, 2, F.mse_loss),
    ],
)
def test_with_twice_as_many_units_as_samples_nothing_is_above_the_ends(
    bend, outputs, criterion
) -> None:
    loss, a, b, found = joined(2 * SAMPLES, bend, outputs, criterion)
    worse = max(loss(a), loss(b))
    losses = [loss(found.path(k / 97)) for k in range(98)]
    assert max(losses) <= worse * (1 + 1e-9)
    assert losses[0] == pytest.approx(loss(a), rel=1e-12)
    assert losses[-1] == pytest.approx(loss(b), rel=1e-12)
    for name, tensor in b.items():
        assert torch.allclose(found.path(1.0)[name], tensor, atol=1e-12)
    assert found.certificate.verdict is Verdict.TESTED
    assert found.ends == (pytest.approx(loss(a)), pytest.approx(loss(b)))
    assert "path through" in str(found)


def test_linear_layers_need_as_many_units_as_their_inputs_span() -> None:
    *_, found = joined(6, nn.Identity)
    assert found.needed == (3, 3)
    with pytest.raises(Disconnected, match="3 and 3 units, and there are 5"):
        joined(5, nn.Identity)


def test_with_fewer_units_it_says_so() -> None:
    with pytest.raises(Disconnected, match=f"and there are {2 * SAMPLES - 1}: they do not fit"):
        joined(2 * SAMPLES - 1, nn.Tanh)


def test_units_that_do_nothing_make_room() -> None:
    x, y = data(1)
    model = network(SAMPLES, nn.Tanh, 1)
    loss = Loss(model, [(x, y)], F.mse_loss, metrics={})
    a, b = pair(SAMPLES, nn.Tanh)
    for params, live in ((a, slice(0, 3)), (b, slice(0, 4))):
        readers = torch.zeros_like(params["2.weight"])
        readers[:, live] = params["2.weight"][:, live]
        params["2.weight"] = readers
    found = sublevel_path(discover(model, x[:2]), a, b, loss)
    # Both live on the same units, so that those of the first are moved out of the way.
    assert found.needed == (3, 4)
    assert found.highest <= max(found.ends) * (1 + 1e-9)


def test_a_loss_that_is_not_convex_is_refuted() -> None:
    def wavy(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return -(outputs - targets).square().mean()

    x, y = data(1)
    model = network(2 * SAMPLES, nn.ReLU, 1)
    loss = Loss(model, [(x, y)], wavy, metrics={})
    a, _ = pair(2 * SAMPLES, nn.ReLU)
    # The line of the outputs leads through zero, where this loss is high.
    a = {**a, "2.weight": 20 * a["2.weight"]}
    b = {**a, "2.weight": -a["2.weight"], "2.bias": -a["2.bias"]}
    found = sublevel_path(discover(model, x[:2]), a, b, loss)
    assert found.certificate.verdict is Verdict.REFUTED


def test_deeper_networks_are_refused() -> None:
    model = nn.Sequential(
        nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1)
    ).double()
    x, y = data(1)
    params = params_of(model)
    loss = Loss(model, [(x, y)], F.mse_loss, metrics={})
    with pytest.raises(Disconnected, match="2 hidden layers"):
        sublevel_path(discover(model, x[:2]), params, params, loss)
