"""What linear connectivity depends on: width, depth, optimiser, step size, batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from isthmus.ground import Params, params_of
from isthmus.landscape import instability
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, beside, chart
from isthmus.papers.methods.landscape.training import Descent, Network
from isthmus.papers.methods.method import Measured, Method
from isthmus.testing.training import OptimiserFactory

_SOURCE = "Altintas et al. 2023"
_OPTIMISERS: Mapping[str, OptimiserFactory] = {
    "sgd": torch.optim.SGD,
    "momentum": partial(torch.optim.SGD, momentum=0.9),
    "adam": torch.optim.Adam,
}
_TONES = ("ink", "grey", "teal", "blue", "purple", "green", "amber", "red")
_FIGURES = ("loss", "barrier", "instability")


@dataclass(frozen=True)
class Training:
    """One way to train.

    Attributes:
        name: Of what is different.
        hidden: Widths.
        optimiser: ``sgd``, ``momentum`` or ``adam``.
        rate: The first step size; it falls to 0 in a line.
        batch: Samples a step.
    """

    name: str
    hidden: tuple[int, ...] = (64, 64)
    optimiser: str = "sgd"
    rate: float = 0.2
    batch: int = 32


TRAININGS = (
    Training("baseline"),
    Training("no hidden layer", hidden=()),
    Training("wider", hidden=(256, 256)),
    Training("deeper", hidden=(64, 64, 64, 64)),
    Training("larger steps", rate=0.4),
    Training("smaller steps", rate=0.05),
    Training("momentum", optimiser="momentum", rate=0.02),
    Training("Adam", optimiser="adam", rate=2e-3),
)
"""A baseline, and one change each."""


@dataclass(frozen=True)
class Settings:
    """Copies of the start for each training.

    Attributes:
        trainings: What is compared; the first is the baseline.
        data: ``digits`` or ``fashion``.
        samples: Training samples.
        epochs: Of each training.
        copies: How many; all pairs are looked at.
        trained: Whether claims on trained networks are checked.
    """

    trainings: tuple[Training, ...] = TRAININGS
    data: str = "fashion"
    samples: int | None = 3000
    epochs: int = 6
    copies: int = 3
    trained: bool = True


@dataclass(frozen=True)
class Factors(Measured):
    """How far copies of one start end apart.

    Attributes:
        settings: What was run.
        figures: ``(trainings, 3)``: training loss of the copies, its barrier on the line between
            two of them, and how far the training error rises there: means over all pairs.
    """

    settings: Settings
    figures: Tensor = field(metadata={"json": False})

    def figure(self, name: str, figure: str) -> float:
        """One of the figures of one training."""
        row = [one.name for one in self.settings.trainings].index(name)
        return float(self.figures[row, _FIGURES.index(figure)])

    @property
    def measured(self) -> str:
        """Barriers by training."""
        names = [one.name for one in self.settings.trainings]
        heights = self.figures[:, _FIGURES.index("barrier")].tolist()
        words = [f"{name} {height:.3f}" for name, height in zip(names, heights, strict=True)]
        return "barrier of the training loss between copies of the start: " + ", ".join(words)

    def arrays(self) -> Params:
        """All of it."""
        return {"figures": self.figures}

    def check(self) -> list[Check]:
        """Convex losses have no barrier; depth, step size and Adam make one."""
        checks = [
            Check(
                "convex",
                "without hidden layers the loss is convex, and no line rises",
                self.figure("no hidden layer", "barrier"),
                1e-6,
                source="convexity of cross-entropy in the outputs",
            )
        ]
        if not self.settings.trained:
            return checks
        barrier = partial(self.figure, figure="barrier")
        return [
            *checks,
            Check(
                "depth",
                "the barrier of a deeper network is higher",
                barrier("baseline") - barrier("deeper"),
                finding="one layer more changes the barrier by less than another seed does",
                source=_SOURCE,
            ),
            Check(
                "steps",
                "with larger steps it is higher than with smaller ones",
                barrier("smaller steps") - barrier("larger steps"),
                source=_SOURCE,
            ),
            Check(
                "Adam",
                "with Adam it is higher than with SGD",
                barrier("baseline") - barrier("Adam"),
                source=_SOURCE,
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """A dot for each training: its loss, and the barrier; its barrier, and the error."""
        panels = []
        for x, y in (("loss", "barrier"), ("barrier", "instability")):
            series = [
                Series(one.name, [self.figure(one.name, x)], [self.figure(one.name, y)], tone)
                for one, tone in zip(self.settings.trainings, _TONES, strict=False)
            ]
            panels.append(chart(f"{y} by {x}".capitalize(), Axis(x), Axis(y), series, width=460))
        return {"factors": beside("Copies of one start, trained in several ways", *panels)}

    def __str__(self) -> str:
        rows = [
            [one.name, *(f"{value:.4f}" for value in row.tolist())]
            for one, row in zip(self.settings.trainings, self.figures, strict=True)
        ]
        return table(("training", *_FIGURES), rows)


def perform(bench: Bench, settings: Settings) -> Factors:
    """A step for each training."""
    found = []
    for number, training in enumerate(settings.trainings):
        bench.tell(training.name, number, len(settings.trainings))
        work = partial(_copies, bench, settings, training)
        found.append(bench.step(training.name.replace(" ", "-"), work)["figures"])
    return Factors(settings, torch.stack(found))


def _copies(bench: Bench, settings: Settings, training: Training) -> Params:
    task = Network(settings.data, training.hidden, settings.samples).task()
    end = settings.epochs * (len(task.x) // training.batch)
    optimiser = _OPTIMISERS[training.optimiser]
    train = Descent(task, lambda step: training.rate * (1 - step / end), training.batch, optimiser)
    start = params_of(task.fresh(bench.seed))
    seeds = range(bench.seed + 1, bench.seed + 1 + settings.copies)
    (row,) = instability(train, start, task.loss(), [0], end, bench.seed, seeds, points=15).rows
    lines = [(sum(line.ends) / 2, line.height, row.instability) for line in row.barriers]
    return {"figures": torch.tensor(lines, dtype=torch.float64).mean(0)}


factors = Experiment(
    "methods.factors",
    "What linear connectivity depends on",
    _SOURCE,
    {
        Scale.SMOKE: Settings(
            (Training("no hidden layer", ()), Training("Adam", (8,), "adam", 2e-3)),
            "digits",
            200,
            1,
            copies=2,
            trained=False,
        ),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(samples=None, epochs=20),
    },
    perform,
    (
        "Networks, data and step sizes are ours; of the source only the abstract could be read.",
        "Copies have the start in common, and the order of samples not.",
    ),
)
"""Depth, large steps and Adam take copies of one start apart."""

METHOD: Method = Method(
    "Factors of linear connectivity",
    _SOURCE,
    "`isthmus.instability`",
    "Architecture, optimiser and data decide whether copies stay linearly connected; adaptive "
    "optimisers find less connected minima.",
    factors,
)
