"""What is merged here: pairs of trained networks that are aligned, fine-tunes of one base."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from isthmus.alignment import align
from isthmus.discovery import discover
from isthmus.ground import Params
from isthmus.papers.bench import Bench
from isthmus.papers.tasks import Task, image_perceptron


@dataclass(frozen=True)
class Perceptrons:
    """Perceptrons of equal hidden layers.

    Attributes:
        fashion: On Fashion-MNIST; else on digits.
        depth: Hidden layers, of ``width`` units each.
        samples: For training; ``tests`` for what is measured.
    """

    fashion: bool = True
    depth: int = 4
    width: int = 96
    samples: int = 5000
    tests: int = 2000

    @property
    def task(self) -> Task:
        """The network with its data."""
        return image_perceptron(self.fashion, *[self.width] * self.depth).fewer(
            self.samples, self.tests
        )


def aligned_pair(
    bench: Bench, task: Task, *, epochs: int, name: str, lr: float = 1e-3
) -> tuple[Params, Params, Params]:
    """Two networks from different seeds, and the second aligned to the first by its weights."""
    seeds = (2 * bench.seed, 2 * bench.seed + 1)
    a, b = (
        task.trained(bench, seed, epochs=epochs, batch=100, lr=lr, name=f"{name}-{k}")
        for k, seed in enumerate(seeds)
    )
    symmetry = discover(task.fresh(), task.x[:1])
    moved = bench.step(f"{name}-aligned", lambda: align(b, to=a, symmetry=symmetry).params)
    return a, b, moved


def accuracy(task: Task, params: Mapping[str, Tensor]) -> float:
    """The share of test samples that the network classifies as they are."""
    return task.loss(test=True).metrics_at(params)["accuracy"]


def apart(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> float:
    """The largest difference of a number, relative to the largest of ``b``."""
    most = max(float(t.abs().max()) for t in b.values())
    return max(float((a[n] - t).abs().max()) for n, t in b.items()) / most


def percent(share: float) -> str:
    """As text, with one digit after the point."""
    return f"{100 * share:.1f}%"


def steps(count: int, last: float = 1.0) -> list[float]:
    """Equally spaced from 0 to ``last``."""
    return torch.linspace(0, last, count, dtype=torch.float64).tolist()
