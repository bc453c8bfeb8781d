"""Linear networks with random exact minima."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from isthmus.ground import Params
from isthmus.topology.linear.minimum import LinearMinimum


def normal(rng: torch.Generator, *shape: int) -> Tensor:
    """Normal numbers in double precision."""
    return torch.randn(*shape, generator=rng, dtype=torch.float64)


def shapes(widths: Sequence[int]) -> dict[str, tuple[int, int]]:
    """The layers of a network, from its widths: inputs, hidden, outputs."""
    pairs = zip(widths[1:], widths[:-1], strict=True)
    return {f"{k}.weight": pair for k, pair in enumerate(pairs)}


def planted(
    rng: torch.Generator, widths: Sequence[int], rank: int | None = None, samples: int = 0
) -> LinearMinimum:
    """A network whose targets are a matrix of that rank times its inputs."""
    inputs = normal(rng, samples or widths[0], widths[0])
    rank = min(widths[0], widths[-1]) if rank is None else rank
    matrix = normal(rng, widths[-1], rank) @ normal(rng, rank, widths[0])
    return LinearMinimum(shapes(widths), inputs, inputs @ matrix.mT)


def minimum_of(minimum: LinearMinimum, rng: torch.Generator) -> Params:
    """A random minimum: random weights, of which the last makes up for the others."""
    weights = [normal(rng, *shape) for shape in minimum.layers.values()]
    fibre = minimum.fibre
    weights = fibre.settled(weights)
    before = minimum.inputs.mT
    for weight in weights[:-1]:
        before = weight @ before
    for _ in range(2):
        rest = fibre.product - weights[-1] @ before
        weights[-1] = weights[-1] + rest @ torch.linalg.pinv(before, rtol=1e-9)
    return dict(zip(minimum.layers, weights, strict=True))
