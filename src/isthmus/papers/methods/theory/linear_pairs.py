"""Pairs of linear networks of two layers: joined below the worse end, and minima that are not."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from isthmus.discovery import discover
from isthmus.ground import Params, params_of
from isthmus.landscape import Loss, sublevel_path
from isthmus.papers.methods.theory.decay import Weights, decayed_path
from isthmus.topology import LinearMinimum, connect_minima


def linear_pairs(
    inputs: int, outputs: int, samples: int, pairs: int, decay: float, seed: int
) -> Params:
    """Rises of random pairs, without and with weight decay; what is joined where it is narrow."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    n, m = inputs, outputs
    x, y = normal(samples, n), normal(samples, m)

    def pair(hidden: int) -> tuple[Weights, Weights]:
        return (normal(hidden, n), normal(m, hidden)), (normal(hidden, n), normal(m, hidden))

    # Readers alone are refitted without decay, to units that span what the inputs do.
    rows = [
        [_plain(pair(2 * n), x, y), _decayed(pair(2 * min(n, m)), x, y, decay)]
        for _ in range(pairs)
    ]
    tight = [_minima(min(n, m), width, pairs, seed) for width in (min(n, m), min(n, m) + 1)]
    return {
        "linear": torch.tensor(rows, dtype=torch.float64).T.contiguous(),
        "tight": torch.tensor(tight, dtype=torch.float64),
    }


def _plain(pair: tuple[Weights, Weights], x: Tensor, y: Tensor) -> float:
    """By `sublevel_path`, with a linear hidden layer."""
    (hidden, inputs), outputs = pair[0][0].shape, y.shape[1]
    up, down = nn.Linear(inputs, hidden, bias=False), nn.Linear(hidden, outputs, bias=False)
    model = nn.Sequential(up, down).double()
    a, b = (dict(zip(params_of(model), weights, strict=True)) for weights in pair)
    loss = Loss(model, [(x, y)], mse_loss, metrics={})
    found = sublevel_path(discover(model, x[:2]), a, b, loss)
    losses = [loss(found.path(k / 60)) for k in range(61)]
    return (max(losses) - max(found.ends)) / float(y.square().mean())


def _decayed(pair: tuple[Weights, Weights], x: Tensor, y: Tensor, decay: float) -> float:
    """By `decayed_path`."""

    def loss(weights: Weights) -> float:
        up, down = weights
        squares = up.square().sum() + down.square().sum()
        return float((x @ up.mT @ down.mT - y).square().mean() + decay / 2 * squares)

    losses = [loss(leg(k / 10)) for leg in decayed_path(*pair) for k in range(11)]
    return (max(losses) - max(map(loss, pair))) / float(y.square().mean())


def _minima(size: int, width: int, pairs: int, seed: int) -> float:
    """The share of pairs of minima that are joined, of opposite determinants where there are."""
    joined = []
    for number in range(pairs):
        generator = torch.Generator().manual_seed(1000 * seed + number)
        x = torch.randn(20, size, generator=generator, dtype=torch.float64)
        product = torch.randn(size, size, generator=generator, dtype=torch.float64)
        shapes = {"up": (width, size), "down": (size, width)}
        minimum = LinearMinimum(shapes, x, x @ product.mT)
        square = torch.randn(width, size, generator=generator, dtype=torch.float64)
        up = torch.linalg.qr(square).Q
        flip = torch.eye(size, dtype=torch.float64)
        flip[0, 0] = -1
        a, b = ({"up": w, "down": product @ w.mT} for w in (up, up @ flip))
        joined.append(connect_minima(a, b, minimum).path is not None)
    return sum(joined) / len(joined)
