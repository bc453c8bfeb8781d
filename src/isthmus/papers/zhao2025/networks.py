"""The small networks of the figures: matrices and an activation, trained by descent in float64."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

SLOPE = 0.01
"""Of leaky ReLU; the paper does not say."""


def normal(generator: torch.Generator, *shape: int) -> Tensor:
    """Independent standard normal numbers, float64."""
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def network(
    widths: Sequence[int], activation: nn.Module, generator: torch.Generator
) -> nn.Sequential:
    """``W_l σ(... σ(W_1 x))``: no biases, weights normal with variance 1 / inputs."""
    layers: list[nn.Module] = []
    for n, m in pairwise(widths):
        layer = nn.Linear(n, m, bias=False, dtype=torch.float64)
        with torch.no_grad():
            layer.weight.copy_(normal(generator, m, n) / n**0.5)
        layers += [layer, activation]
    return nn.Sequential(*layers[:-1])


def square(outputs: Tensor, targets: Tensor) -> Tensor:
    """``‖Y - outputs‖²`` (Frobenius), the sum over samples and coordinates."""
    return (outputs - targets).square().sum()


def descended(model: nn.Sequential, x: Tensor, y: Tensor, steps: int, rate: float) -> nn.Sequential:
    """Trained by that many steps of descent with momentum, each on all samples (rows of x)."""
    optimiser = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)
    with torch.enable_grad():
        for _ in range(steps):
            optimiser.zero_grad()
            (square(model(x), y) / len(x)).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return model


@torch.no_grad()
def solved(model: nn.Sequential, x: Tensor, y: Tensor) -> nn.Sequential:
    """With the last matrix the nearest that is exact on the samples: a minimum to rounding.

    Descent alone comes near a minimum; claims that hold at a minimum are checked at one.
    """
    last = model[-1]
    assert isinstance(last, nn.Linear)
    features = model[:-1](x)
    change = torch.linalg.lstsq(features, y - last(features), driver="gelsd").solution
    last.weight += change.mT
    return model
