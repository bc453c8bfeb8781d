"""Connectivity-based fine-tuning: its three terms, and that it takes a model off a cue."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from isthmus.ground import BadInput, UnknownName, params_of
from isthmus.landscape.mechanistic import ConnectivityFineTuning


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)).double()


def data() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    x = torch.randn(30, 4).double()
    cued = x.clone()
    cued[:, 3] = 3.0
    return x, cued, torch.arange(30) % 3


def test_the_terms_are_those_of_the_definition() -> None:
    model = network()
    x, cued, y = data()
    anchor = {n: torch.randn_like(t) for n, t in params_of(model).items()}
    loss = ConnectivityFineTuning(model, anchor, features="1", barrier=0.7, spread=0.0)
    parts = loss.parts((x, y), (cued, y), torch.Generator())
    assert parts["clean"].item() == pytest.approx(F.cross_entropy(model(x), y).item())
    middle = {n: (t.detach() + anchor[n]) / 2 for n, t in model.named_parameters()}
    height = F.cross_entropy(torch.func.functional_call(model, middle, cued), y)
    assert parts["barrier"].item() == pytest.approx(abs(0.7 - height.item()))
    hidden, cued_hidden = model[:2](x).detach(), model[:2](cued).detach()
    gaps = [(hidden[y == k].mean(0) - cued_hidden[y == k].mean(0)).square().sum() for k in range(3)]
    assert parts["invariance"].item() == pytest.approx(torch.stack(gaps).mean().item())
    total = loss((x, y), (cued, y), torch.Generator())
    assert total.item() == pytest.approx(sum(part.item() for part in parts.values()))
    total.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_an_anchor_that_is_the_model_is_behind_no_barrier() -> None:
    model = network()
    x, cued, y = data()
    loss = ConnectivityFineTuning(model, params_of(model), features="1")
    here = F.cross_entropy(model(cued), y).item()
    for seed in range(5):
        parts = loss.parts((x, y), (cued, y), torch.Generator().manual_seed(seed))
        assert parts["barrier"].item() == pytest.approx(abs(1 - here))


def test_training_lowers_it() -> None:
    model = network()
    x, cued, y = data()
    loss = ConnectivityFineTuning(model, params_of(model), features="1")
    draw = torch.Generator().manual_seed(0)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    seen = []
    for _ in range(60):
        optimiser.zero_grad()
        total = loss((x, y), (cued, y), draw)
        total.backward()
        optimiser.step()
        seen.append(total.item())
    assert sum(seen[-10:]) < 0.8 * sum(seen[:10])


def test_errors_say_what_to_do() -> None:
    model = network()
    x, cued, y = data()
    with pytest.raises(UnknownName, match="unknown module 'x'"):
        ConnectivityFineTuning(model, params_of(model), features="x")
    with pytest.raises(UnknownName, match=r"no parameter '0.weight'"):
        ConnectivityFineTuning(model, {}, features="1")
    loss = ConnectivityFineTuning(model, params_of(model), features="1")
    with pytest.raises(BadInput, match="no class is in both"):
        loss((x[y == 0], y[y == 0]), (cued[y == 1], y[y == 1]), torch.Generator())
