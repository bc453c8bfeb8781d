"""Penalties: the Fisher matrix is the Hessian of linear models, and holds what it should."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from isthmus.ground import BadInput, params_of
from isthmus.landscape import DiagonalFisher, ElasticPenalty, Loss, LowRankFisher, Projected, tune
from isthmus.landscape.dynamics.slopes import hessian_times
from isthmus.landscape.tuning.draws import drawn_gradients


def tokens(outputs, targets):
    return F.cross_entropy(outputs.flatten(0, -2), targets.flatten())


def images(outputs, targets):
    return F.cross_entropy(outputs.movedim(-1, 1), targets)


def repeated(kind: str, count: int) -> Loss:
    """A linear model, whose Fisher matrix is the Hessian, on one sample again and again."""
    torch.manual_seed(0)
    model = nn.Linear(3, 4).double()
    x = (
        torch.randn(1, 5, 3).double()
        if kind in ("tokens", "images")
        else torch.randn(1, 3).double()
    )
    criterion = {"tokens": tokens, "images": images, "values": F.mse_loss}.get(
        kind, F.cross_entropy
    )
    y = torch.zeros(1, 4).double() if kind == "values" else torch.zeros(x.shape[:-1]).long()
    batch = (x.expand(count, *x.shape[1:]), y.expand(count, *y.shape[1:]))
    return Loss(model, [batch], criterion, {})


@pytest.mark.parametrize("kind", ["classes", "tokens", "images", "values"])
def test_the_mean_square_of_drawn_gradients_is_the_curvature(kind) -> None:
    loss = repeated(kind, 400)
    start = params_of(loss.model)
    found = DiagonalFisher.of(loss, start, samples=None)
    total = {n: torch.zeros_like(t) for n, t in start.items()}
    for name, tensor in start.items():
        for k in range(tensor.numel()):
            one = torch.zeros_like(tensor)
            one.view(-1)[k] = 1
            bent = hessian_times(repeated(kind, 1), start, {name: one})
            total[name].view(-1)[k] = bent[name].view(-1)[k]
    for name, expected in total.items():
        size = float(expected.norm())
        assert float((found.values[name] - expected).norm()) < 0.2 * size


@pytest.mark.parametrize("rank", [3, 10, 40])
def test_a_sketch_is_never_too_large_and_not_much_too_small(rank) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 5)).double()
    loss = Loss(model, [(torch.randn(60, 6).double(), torch.zeros(60).long())], F.cross_entropy, {})
    start = params_of(model)
    rows = [torch.cat([t.flatten() for t in g.values()]) for g in drawn_gradients(loss, start)]
    fisher = torch.stack(rows).T @ torch.stack(rows) / len(rows)
    found = LowRankFisher.of(loss, start, rank=rank)
    assert torch.allclose(found.basis @ found.basis.T, torch.eye(rank).double(), atol=1e-10)
    for row in (*torch.randn(5, found.width).double(), *torch.linalg.eigh(fisher)[1].T[-3:]):
        parts = row.split([t.numel() for t in start.values()])
        change = {n: p.view_as(start[n]) for n, p in zip(start, parts, strict=True)}
        short = float(row @ fisher @ row) - float(found.energy(change))
        assert -1e-12 < short < float(row.square().sum() * fisher.trace()) / rank


def problem():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))
    losses = [
        Loss(model, [(torch.randn(40, 6), torch.randint(0, 3, (40,)))], F.cross_entropy, {})
        for _ in range(2)
    ]
    fast = lambda p: torch.optim.Adam(p, lr=0.01)  # noqa: E731
    return *losses, tune(params_of(model), losses[0], optimiser=fast, epochs=80), fast


@pytest.mark.parametrize("kind", [DiagonalFisher, LowRankFisher])
def test_a_stronger_penalty_keeps_more_and_learns_less(kind) -> None:
    first, second, start, fast = problem()
    curvature = kind.of(first, start)
    ends = [
        tune(start, second, ElasticPenalty(start, curvature, strength), optimiser=fast, epochs=40)
        for strength in (0.0, 3.0, 300.0)
    ]
    assert [first(end) for end in ends] == sorted((first(end) for end in ends), reverse=True)
    assert [second(end) for end in ends] == sorted(second(end) for end in ends)
    assert float(ElasticPenalty(start, curvature)(ends[0])) > 0
    assert float(ElasticPenalty(start, curvature)(start)) == 0
    assert type(curvature).__name__ in str(curvature)


def test_an_optimiser_goes_on_from_its_state() -> None:
    first, _, start, _ = problem()
    flat = LowRankFisher.of(first, start, rank=4)

    def steps(optimiser, count):
        for _ in range(count):
            optimiser.zero_grad()
            first.criterion(model(first.batches[0][0]), first.batches[0][1]).backward()
            optimiser.step()
        return params_of(model)

    def made():
        return Projected(torch.optim.Adam(model.parameters(), lr=0.01), model, flat)

    model = first.model
    model.load_state_dict(start)
    optimiser = made()
    middle, state = steps(optimiser, 3), optimiser.state_dict()
    state = {"state": {k: {n: v.clone() for n, v in part.items()} for k, part in
                       state["state"].items()}, "param_groups": state["param_groups"]}  # fmt: skip
    expected = steps(optimiser, 3)
    model.load_state_dict(middle)
    again = made()
    again.load_state_dict(state)
    found = steps(again, 3)
    assert all(torch.equal(found[n], t) for n, t in expected.items())


def test_targets_that_cannot_be_drawn_are_refused() -> None:
    model = nn.Linear(3, 4)
    loss = Loss(model, [(torch.randn(2, 3), torch.zeros(2, 3))], lambda f, y: f.sum(), {})
    with pytest.raises(BadInput, match="targets cannot be drawn from outputs of shape"):
        DiagonalFisher.of(loss, params_of(model))
