"""Families of distributions whose Fisher-Rao distance is known, as models with chains in them."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor, nn

from isthmus.ground import Params
from isthmus.landscape import FisherRao, Line, Loss, Training, bend, function_length
from isthmus.landscape.curves.fisher import Divergence, jeffreys


class Constant(nn.Module):
    """The same numbers, the parameters of a distribution, whatever goes in."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.numbers = nn.Parameter(torch.zeros(count, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        """``(samples, count)``."""
        return self.numbers + 0 * x


def gaussian_jeffreys(first: Tensor, second: Tensor) -> Tensor:
    """KL(p‖q) + KL(q‖p) of Gaussians with mean and log-deviation on the last axis."""
    (mean, wide), (other, width) = first.unbind(-1), second.unbind(-1)
    square = (mean - other).square()
    one = ((2 * wide).exp() + square) / (2 * (2 * width).exp())
    two = ((2 * width).exp() + square) / (2 * (2 * wide).exp())
    return (one + two - 1).mean()


def families(bends: int, steps: int, points: int) -> Params:
    """Lengths of lines, of chains, and closed forms.

    Args:
        bends: Images of a chain.
        steps: Of its training.
        points: At which lengths are summed up.
    """
    shares = torch.tensor([[0.9, 0.09, 0.01], [0.01, 0.09, 0.9]], dtype=torch.float64)
    bernoulli = torch.tensor([[0.95, 0.05], [0.2, 0.8]], dtype=torch.float64)
    gaussians = torch.tensor([[-1.5, 0.0], [1.5, 0.3]], dtype=torch.float64)  # mean, log-deviation
    sizes = (bends, steps, points)
    rows = [
        [*_lengths(sizes, bernoulli.log()), _angle(bernoulli)],
        [*_lengths(sizes, shares.log()), _angle(shares)],
        [*_lengths(sizes, gaussians, gaussian_jeffreys), _half_plane(gaussians)],
    ]
    odds = bernoulli.log() @ torch.tensor([1.0, -1.0], dtype=torch.float64)
    formula = (bernoulli[0, 0] - bernoulli[1, 0]) * (odds[0] - odds[1])
    off = float((jeffreys(*bernoulli.log()) / formula - 1).abs())
    return {
        "lengths": torch.tensor(rows, dtype=torch.float64),
        "divergence": torch.tensor([off], dtype=torch.float64),
    }


def _lengths(
    sizes: tuple[int, int, int], ends: Tensor, divergence: Divergence = jeffreys
) -> tuple[float, float]:
    """Of the straight line and of the trained chain between two distributions."""
    bends, steps, points = sizes
    data = [(torch.zeros(2, 1, dtype=torch.float64), torch.zeros(2))]
    loss = Loss(Constant(ends.shape[1]), data, lambda outputs, _: outputs.sum())
    line = Line({"numbers": ends[0]}, {"numbers": ends[1]})
    training = Training(partial(torch.optim.Adam, lr=0.03))
    chain = bend(line, loss, FisherRao(bends, divergence), steps, 0, training)
    lengths = [function_length(way, loss, points, divergence) for way in (line, chain)]
    return lengths[0], lengths[1]


def _angle(shares: Tensor) -> float:
    return 2 * math.acos(float(shares.prod(0).sqrt().sum()))


def _half_plane(ends: Tensor) -> float:
    """``√2 arcosh(1 + (Δμ²/2 + Δσ²) / (2 σ₁ σ₂))``: the hyperbolic half-plane of μ/√2 and σ."""
    mean, deviation = ends[:, 0], ends[:, 1].exp()
    squares = float((mean[1] - mean[0]) ** 2 / 2 + (deviation[1] - deviation[0]) ** 2)
    return math.sqrt(2) * math.acosh(1 + squares / (2 * float(deviation.prod())))
