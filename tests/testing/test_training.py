"""The training loop is deterministic, learns, and leaves the caller's random state alone."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from isthmus.testing import datasets
from isthmus.testing.training import accuracy, seeded, train


def small() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))


def with_dropout() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 2))


def test_two_runs_with_one_seed_agree_and_learn() -> None:
    data = datasets.load("digits")
    fit = partial(train, epochs=3, batch=50, lr=1e-2, seed=4)
    first, second = (fit(seeded(small, 7), data.x_train, data.y_train) for _ in range(2))
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)
    assert accuracy(first, data.x_test, data.y_test) > 0.85


def test_the_global_random_state_neither_matters_nor_moves() -> None:
    x, y = torch.ones(6, 3), torch.tensor([0, 1, 0, 1, 0, 1])
    results = []
    for state in (1, 2):
        torch.manual_seed(state)
        before = torch.random.get_rng_state()
        model = train(seeded(with_dropout, 0), x, y, epochs=2, batch=2, lr=0.1, seed=0)
        assert torch.equal(before, torch.random.get_rng_state())
        results.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    assert torch.equal(*results)


def test_criterion_optimiser_and_report_are_the_callers() -> None:
    x = torch.linspace(-1, 1, 20)[:, None]
    losses: list[float] = []
    model = train(
        seeded(partial(nn.Linear, 1, 1), 0),
        x,
        3 * x + 1,
        epochs=60,
        batch=5,
        lr=0.1,
        seed=0,
        criterion=nn.functional.mse_loss,
        optimiser=partial(torch.optim.SGD, momentum=0.5),
        after_epoch=lambda epoch, loss: losses.append(loss),
    )
    assert not model.training
    assert len(losses) == 60
    assert losses[-1] < 1e-6 < losses[0]


def test_accuracy_counts_and_keeps_the_mode() -> None:
    model = nn.Identity().train()
    outputs = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    assert accuracy(model, outputs, torch.tensor([1, 0, 0]), batch=2) == 2 / 3
    assert model.training
