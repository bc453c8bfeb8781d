"""Two-layer networks of every form, at random, with data."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isthmus import Loss, Symmetry, discover, params_of
from isthmus.ground import Params


def soft(z: Tensor) -> Tensor:
    """Softplus that is never cut off here."""
    return F.softplus(z, threshold=500)


ACTIVATIONS = {
    "relu": torch.relu,
    "leaky_relu": F.leaky_relu,
    "abs": torch.abs,
    "hardtanh": F.hardtanh,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "gelu": F.gelu,
    "silu": F.silu,
    "softplus": soft,
    "elu": F.elu,
    "erf": torch.erf,
    "atan": torch.atan,
    "sin": torch.sin,
    "square": torch.square,
    "identity": lambda z: z,
}
CORNERED = ("relu", "leaky_relu", "abs", "hardtanh")


class TwoLayers(nn.Module):
    """A mean or a sum of units; with or without biases."""

    def __init__(self, shape: tuple[int, int, int], name: str, mean: bool, bias: bool) -> None:
        super().__init__()
        self.up = nn.Linear(shape[0], shape[1], bias=bias)
        self.down = nn.Linear(shape[1], shape[2], bias=bias)
        self.activation, self.mean = ACTIVATIONS[name], mean

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down(self.activation(self.up(x)))
        return out / self.up.out_features if self.mean else out


class Case(NamedTuple):
    """Two networks and a loss."""

    loss: Loss
    a: Params
    b: Params
    symmetry: Symmetry


@cache
def built(
    shape: tuple[int, int, int], name: str, mean: bool, bias: bool
) -> tuple[nn.Module, Symmetry]:
    """A model in float64 with its symmetry."""
    model = TwoLayers(shape, name, mean, bias).double()
    return model, discover(model, torch.zeros(2, shape[0]).double())


def case(
    seed: int,
    name: str = "tanh",
    shape: tuple[int, int, int] = (3, 8, 2),
    mean: bool = True,
    bias: bool = True,
    spread: float = 1.0,
    criterion: Any = F.cross_entropy,
    samples: int = 12,
) -> Case:
    """Two networks whose units are uniform on a cube of half width ``spread``."""
    model, symmetry = built(shape, name, mean, bias)
    generator = torch.Generator().manual_seed(seed)

    def uniform(*sizes: int) -> Tensor:
        return 2 * torch.rand(*sizes, generator=generator, dtype=torch.float64) - 1

    def draw() -> Params:
        made = {n: spread * uniform(*p.shape) for n, p in params_of(model).items()}
        made["down.weight"] /= 1 if mean else shape[1]
        return made

    a, b, x = draw(), draw(), 2 * uniform(samples, shape[0])
    if criterion is F.cross_entropy:
        y = torch.randint(0, shape[2], (samples,), generator=generator)
    else:
        y = uniform(samples, shape[2])
    half = samples // 2
    batches = [(x[:half], y[:half]), (x[half:], y[half:])]
    return Case(Loss(model, batches, criterion), a, b, symmetry)
