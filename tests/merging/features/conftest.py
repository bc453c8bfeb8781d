"""Small networks in float64, and copies that are moved along their orbits."""

import pytest
import torch
from torch import nn

from isthmus.discovery import discover
from isthmus.ground import params_of


def dense(seed: int, width: int = 12) -> nn.Module:
    torch.manual_seed(seed)
    layers = [nn.Linear(5, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, 3)).double()


def convolutional(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1, stride=2),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Conv2d(6, 8, 3, padding="same", groups=2),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(128, 3),
    ).double()


class Case:
    """A module, its symmetry, data, and Params by seed."""

    def __init__(self, build, *shape: int) -> None:
        self.build, self.model = build, build(0)
        generator = torch.Generator().manual_seed(0)
        self.x = torch.randn(200, *shape, generator=generator, dtype=torch.float64)
        self.data = [(self.x[:100], None), (self.x[100:], None)]
        self.symmetry = discover(self.model, self.x[:1])

    def params(self, seed: int = 0):
        return params_of(self.build(seed))

    def copy(self, params, seed: int = 1):
        """The same function, other weights."""
        return self.symmetry.act(self.symmetry.sample(seed=seed), params)

    def outputs(self, params, model=None):
        model = model or self.build(0)
        model.load_state_dict(params)
        return model.eval()(self.x).detach()


def apart(found, wanted) -> float:
    assert found.keys() == wanted.keys()
    return max(float((found[n] - t).abs().max()) for n, t in wanted.items())


@pytest.fixture(scope="session")
def perceptron():
    return Case(dense, 5)


@pytest.fixture(scope="session")
def pictures():
    return Case(convolutional, 1, 8, 8)
