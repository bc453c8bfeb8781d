"""Ways: the losses on several paths between trained networks, and what all such findings share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from isthmus.algebra import Symmetry
from isthmus.discovery import discover
from isthmus.ground import Params
from isthmus.landscape import AbstractPath, Loss
from isthmus.papers.bench import Bench
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, chart
from isthmus.papers.methods.method import Measured
from isthmus.papers.tasks import Task, image_perceptron

TONES = ("red", "teal", "amber", "blue", "purple", "green", "grey")


@dataclass(frozen=True)
class Networks:
    """ReLU perceptrons that are trained from different seeds.

    Attributes:
        fashion: Whether on Fashion-MNIST; else on scikit-learn's digits.
        hidden: Widths of the hidden layers.
        samples: Training samples; so ``tests``.
        epochs: Of each training, with Adam at a rate of 0.001, 64 samples a step.
        points: On every path.
    """

    fashion: bool = True
    hidden: tuple[int, ...] = (64, 64)
    samples: int = 6000
    tests: int = 2000
    epochs: int = 5
    points: int = 25

    @classmethod
    def small(cls, **others: Any) -> Self:
        """What takes no time."""
        size: dict[str, Any] = {"hidden": (24,), "samples": 600, "tests": 300, "epochs": 12}
        return cls(**{"fashion": False, "points": 9, **size, **others})

    def task(self) -> Task:
        """The network and its data."""
        return image_perceptron(self.fashion, *self.hidden).fewer(self.samples, self.tests)

    def trained(self, bench: Bench, count: int) -> list[Params]:
        """So many of them, a step each."""
        task = self.task()
        seeds = range(bench.seed, bench.seed + count)
        return [task.trained(bench, seed, epochs=self.epochs) for seed in seeds]

    def symmetry(self) -> Symmetry:
        """Their group."""
        task = self.task()
        return discover(task.fresh(), task.x[:1])

    def __str__(self) -> str:
        shape = "-".join(map(str, self.hidden))
        data = "Fashion-MNIST" if self.fashion else "the digits"
        return f"MLPs with {shape} hidden units, {self.samples} images of {data}"


def along(loss: Loss, ways: Mapping[str, AbstractPath], points: int) -> Params:
    """Losses and errors on every path: ``(2, points)`` float64, by name."""
    ts = [k / (points - 1) for k in range(points)]
    found = {name: loss.along(path, ts) for name, path in ways.items()}
    return {
        name: torch.tensor(
            [[one.loss for one in row], [1 - one.metrics["accuracy"] for one in row]],
            dtype=torch.float64,
        )
        for name, row in found.items()
    }


def rise(losses: Tensor) -> float:
    """The barrier: how far losses at equal steps of t, ``(points,)``, rise above their chord."""
    chord = torch.linspace(0, 1, len(losses), dtype=losses.dtype)
    return float((losses - torch.lerp(losses[0], losses[-1], chord)).max())


@dataclass(frozen=True)
class Ways(Measured):
    """Losses on several paths.

    Attributes:
        losses: By path, ``(2, points)``: the test loss, and the share of test samples mistaken.
    """

    title: ClassVar[str] = ""

    losses: Mapping[str, Tensor] = field(metadata={"json": False})

    def height(self, way: str) -> float:
        """The barrier of the test loss on one."""
        return rise(self.losses[way][0])

    def error(self, way: str) -> float:
        """The largest share of test samples mistaken on one."""
        return float(self.losses[way][1].max())

    def arrays(self) -> Params:
        """All losses."""
        return dict(self.losses)

    def draw(self) -> Mapping[str, Picture]:
        """The losses along all paths."""
        name = type(self).__name__.lower()
        series = drawn_lines({way: row[0] for way, row in self.losses.items()})
        return {name: chart(self.title, Axis("t"), Axis("test loss"), series)}

    def __str__(self) -> str:
        rows = [
            (way, f"{self.height(way):.4f}", f"{float(row[0].max()):.4f}", f"{self.error(way):.2%}")
            for way, row in self.losses.items()
        ]
        return table(("way", "barrier", "highest loss", "largest error"), rows)


def drawn_lines(rows: Mapping[str, Tensor], low: float = 0.0, high: float = 1.0) -> list[Series]:
    """A curve for each row of values at equal steps."""
    return [
        Series(name, torch.linspace(low, high, len(row)).tolist(), row.tolist(), tone, dots=False)
        for (name, row), tone in zip(rows.items(), cycle(TONES), strict=False)
    ]


def ordered(found: Mapping[str, Tensor], names: Sequence[str]) -> Params:
    """The tensors of these names, in this order: a stored step forgets it."""
    return {name: found[name] for name in names}
