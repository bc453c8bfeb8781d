"""What is merged here: pairs of trained networks that are aligned, fine-tunes of one base."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from isthmus.alignment import align
from isthmus.discovery import discover
from isthmus.ground import Params
from isthmus.papers.bench import Bench
from isthmus.papers.tasks import Task


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


def wide(params: Mapping[str, Tensor]) -> Params:
    """In float64."""
    return {n: t.double() if t.is_floating_point() else t for n, t in params.items()}


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
