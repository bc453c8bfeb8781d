"""Training: how control points are trained, whatever they are the control points of."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, final

import torch
from torch import Tensor

from isthmus.ground import BadInput
from isthmus.ground.writing import StrPath

Optimiser: TypeAlias = "Callable[[list[Tensor]], torch.optim.Optimizer]"
"""From the tensors of the trained control points to their optimiser."""


def adam(tensors: list[Tensor]) -> torch.optim.Optimizer:
    """Adam at a rate of 0.001, each step in one pass over the numbers."""
    return torch.optim.Adam(tensors, lr=1e-3, fused=True)


def cosine(done: float) -> float:
    """From 1 to 0 along half a cosine."""
    return (1 + math.cos(math.pi * done)) / 2


@final
@dataclass(frozen=True)
class Training:
    """How control points are trained.

    Args:
        optimiser: Makes the optimiser of the trained points, and of nothing else.
        schedule: From the share of the steps that is done, in [0, 1), to what the optimiser's own
            rate is multiplied with.
        samples: How many samples of a batch a step takes, at random; None takes all.
        only: Which parameters are trained, by name; None trains all.
        checkpoint: A file in which the state is kept, whole or not at all, every ``every`` steps
            and at the end. Where it exists already, the training goes on from it, with the same
            result as if it had never stopped.
        every: Steps between two such states.

    Raises:
        BadInput: ``samples`` or ``every`` is not positive.
    """

    optimiser: Optimiser = adam
    schedule: Callable[[float], float] = cosine
    samples: int | None = None
    only: Callable[[str], bool] | None = None
    checkpoint: StrPath | None = None
    every: int = 500

    def __post_init__(self) -> None:
        for name, value in (("samples", self.samples), ("every", self.every)):
            if value is not None and value < 1:
                raise BadInput(f"{name} is {value}, expected at least 1", "give a positive number")
