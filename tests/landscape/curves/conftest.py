"""A landscape in the plane with known valleys, and small trained networks."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isthmus.ground import Params, params_of
from isthmus.landscape import Loss
from isthmus.testing.training import seeded, train


class Plane(nn.Module):
    """Two numbers, whatever goes in."""

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.zeros(2, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return self.place


def ring(place: Tensor, _: Tensor) -> Tensor:
    """0 on the unit circle, 1 in its centre."""
    return (place.square().sum() - 1) ** 2


def at(x: float, y: float) -> Params:
    """A place in the plane."""
    return {"place": torch.tensor([x, y], dtype=torch.float64)}


@pytest.fixture
def ring_loss() -> Loss:
    """The loss with a circular valley."""
    return Loss(Plane(), [(torch.zeros(1), torch.zeros(1))], ring)


class Trained(NamedTuple):
    """A loss, and minima of it."""

    loss: Loss
    minima: list[Params]


def build() -> nn.Module:
    """A small classifier."""
    return nn.Sequential(nn.Linear(4, 12), nn.ReLU(), nn.Linear(12, 4))


def normed() -> nn.Module:
    """One with BatchNorm and dropout."""
    return nn.Sequential(
        nn.Linear(4, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Dropout(0.1), nn.Linear(12, 4)
    )


def _trained(factory, count) -> Trained:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(240, 4, generator=generator)
    y = (x[:, 0] * x[:, 1] > 0).long() + 2 * (x[:, 2] > 0).long()
    models = [seeded(factory, seed) for seed in range(1, count + 1)]
    for seed, model in enumerate(models):
        train(model, x, y, epochs=30, batch=40, lr=0.02, seed=seed)
    batches = list(zip(x.split(40), y.split(40), strict=True))
    return Trained(Loss(models[0], batches, F.cross_entropy), [params_of(m) for m in models])


@pytest.fixture(scope="session")
def trained() -> Trained:
    """Four minima of one loss."""
    return _trained(build, 4)


@pytest.fixture(scope="session")
def trained_normed() -> Trained:
    """Two minima of a network with BatchNorm."""
    return _trained(normed, 2)
