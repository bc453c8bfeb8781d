"""Pairs of trained networks, of families in which other parts of the group matter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import nn

from isthmus.algebra.groups import Motion
from isthmus.discovery import discover
from isthmus.ground import Params, params_of
from isthmus.papers.bench import Bench
from isthmus.papers.tasks import (
    Task,
    digits_convolution,
    digits_perceptron,
    fashion_perceptron,
    tiny_gpt,
)
from isthmus.testing.training import OptimiserFactory


@dataclass(frozen=True, eq=False)
class Family:
    """How a pair is trained.

    Attributes:
        task: Network and data.
        epochs: Factor on those of the settings.
        rate: Of the optimiser.
        optimiser: Makes it.
        rescaled: By how much the second one's units are rescaled before its training: log-scales.
    """

    task: Callable[[], Task]
    epochs: int = 1
    rate: float = 2e-3
    optimiser: OptimiserFactory = torch.optim.Adam
    rescaled: float = 0.0

    def pair(
        self, bench: Bench, name: str, task: Task, epochs: int, seed: int
    ) -> tuple[Params, Params]:
        """Two trainings with other starts and other orders of the samples."""
        found = []
        for k in range(2):
            start = params_of(task.fresh(seed + k))
            if k and self.rescaled:
                scales = discover(task.fresh(), task.x[:1]).restrict([Motion.STRETCH])
                start = scales.act(scales.sample(seed, self.rescaled), start)
            found.append(
                task.trained(
                    bench,
                    seed + k,
                    epochs=epochs * self.epochs,
                    lr=self.rate,
                    optimiser=self.optimiser,
                    start=start,
                    name=f"{name}-{seed}-{k}",
                )
            )
        return found[0], found[1]


def bottleneck() -> nn.Module:
    """ReLU layers with linear maps to 24 coordinates and from there between them."""
    first = (nn.Flatten(), nn.Linear(784, 24, bias=False), nn.Linear(24, 64), nn.ReLU())
    second = (nn.Linear(64, 24, bias=False), nn.Linear(24, 64), nn.ReLU())
    return nn.Sequential(*first, *second, nn.Linear(64, 10))


_descent = partial(torch.optim.SGD, momentum=0.9)

FAMILIES: Mapping[str, Family] = {
    "digits": Family(lambda: digits_perceptron(16, 16), rate=5e-3),
    "perceptron": Family(lambda: fashion_perceptron(64, 64)),
    "rescaled": Family(
        lambda: fashion_perceptron(64, 64), 2, rate=0.02, optimiser=_descent, rescaled=1.0
    ),
    "rescaled, decayed": Family(
        lambda: fashion_perceptron(64, 64),
        2,
        rate=0.02,
        optimiser=partial(_descent, weight_decay=1e-2),
        rescaled=1.0,
    ),
    "bottleneck": Family(
        lambda: replace(fashion_perceptron(64), name="fashion-bottleneck", build=bottleneck)
    ),
    "convolution": Family(digits_convolution, epochs=2, rate=3e-3),
    "gpt": Family(partial(tiny_gpt, blocks=1), epochs=3, rate=5e-3),
}
"""By name. "rescaled": gradient descent keeps how unevenly its start is scaled, as a charge; with
weight decay it does so no longer."""
