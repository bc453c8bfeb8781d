"""SWA and FGE against plain training, at equal cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from isthmus.ground import Params, params_of
from isthmus.landscape import CyclicRate, Snapshots, WeightAverage
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, beside, chart
from isthmus.papers.methods.landscape.training import SMALL, Descent, Network, outputs, scores
from isthmus.papers.methods.method import Measured, Method

_SWA = "Izmailov et al. 2018"
_FGE = "Garipov et al. 2018"
_ROWS = ("plain", "SWA's points, mean", "SWA", "FGE's members, mean", "FGE")


@dataclass(frozen=True)
class Settings:
    """Three trainings of equal length for every seed; two of them have a part in common.

    Attributes:
        network: What is trained.
        epochs: Of each training.
        common: Epochs before the cycles begin.
        rate: The first step size: it falls to 0 in a line, and stays as it is before cycles.
        high: The largest step size of a cycle.
        low: The least.
        seeds: How many times all is done.
        trained: Whether claims on trained networks are checked.
    """

    network: Network = SMALL
    epochs: int = 12
    common: int = 6
    rate: float = 0.1
    high: float = 0.1
    low: float = 0.005
    seeds: int = 3
    trained: bool = True


@dataclass(frozen=True)
class Averages(Measured):
    """Scores on test data.

    Attributes:
        settings: What was run.
        scores: ``(seeds, 5, 2)``: losses and errors of the plain training, of the points that SWA
            averages (their mean), of their average, of FGE's members (their mean), and of their
            ensemble.
        linear: How far the outputs of an average of linear classifiers are from the mean of their
            outputs.
    """

    settings: Settings
    scores: Tensor = field(metadata={"json": False})
    linear: float

    @property
    def mean(self) -> Tensor:
        """Over the seeds: ``(5, 2)``."""
        return self.scores.mean(0)

    @property
    def measured(self) -> str:
        """Losses and errors at equal cost."""
        words = [
            f"{name} {float(loss):.3f} ({float(error):.1%})"
            for name, (loss, error) in zip(_ROWS, self.mean, strict=True)
            if not name.endswith("mean")
        ]
        return "test loss and error at equal cost: " + ", ".join(words)

    def arrays(self) -> Params:
        """All of it."""
        return {"scores": self.scores}

    def check(self) -> list[Check]:
        """Means are means, ensembles no worse than members; both better than training on."""
        loss = self.mean[:, 0]
        members = (self.scores[:, 4, 0] - self.scores[:, 3, 0]).max()
        checks = [
            Check(
                "linear",
                "of linear classifiers the average gives the mean of the outputs (relative)",
                self.linear,
                1e-12,
                source=_SWA,
            ),
            Check(
                "ensemble",
                "the loss of an ensemble of probabilities is not above the mean of its members'",
                float(members),
                1e-6,
                source="Jensen's inequality",
            ),
        ]
        if not self.settings.trained:
            return checks
        return [
            *checks,
            Check(
                "SWA and its points",
                "the average has less test loss than the points it is the mean of",
                float(loss[2] - loss[1]),
                source=_SWA,
            ),
            Check(
                "SWA",
                "at equal cost the average has less test loss than a plain training",
                float(loss[2] - loss[0]),
                source=_SWA,
            ),
            Check(
                "FGE",
                "at equal cost the ensemble has less test loss than a plain training",
                float(loss[4] - loss[0]),
                source=_FGE,
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """Loss and error of each, seed by seed."""
        names = ("plain", "SWA", "FGE")
        tones = ("red", "blue", "teal")
        seeds = list(range(1, len(self.scores) + 1))
        panels = [
            chart(
                f"Test {what}",
                Axis("seed"),
                Axis(what),
                [
                    Series(name, seeds, self.scores[:, row, k].tolist(), tone)
                    for name, row, tone in zip(names, (0, 2, 4), tones, strict=True)
                ],
                width=420,
            )
            for k, what in enumerate(("loss", "error"))
        ]
        return {"averages": beside("Averages along a training, at equal cost", *panels)}

    def __str__(self) -> str:
        rows = [
            [name, f"{float(loss):.4f}", f"{float(error):.2%}"]
            for name, (loss, error) in zip(_ROWS, self.mean, strict=True)
        ]
        return table(("", "test loss", "test error"), rows)


def perform(bench: Bench, settings: Settings) -> Averages:
    """A step for every seed, and one for linear classifiers."""
    found: list[Tensor] = []
    for seed in range(bench.seed, bench.seed + settings.seeds):
        bench.tell("seed", len(found), settings.seeds)
        found.append(bench.step(f"scores-{seed}", partial(_scores, settings, seed))["scores"])
    linear = bench.step("linear", partial(_linear, settings))
    return Averages(settings, torch.stack(found), float(linear["off"]))


def _scores(settings: Settings, seed: int) -> Params:
    task = settings.network.task()
    start = params_of(task.fresh(seed))
    epoch = len(task.x) // Descent.batch
    first, steps = settings.common * epoch, settings.epochs * epoch
    plain = Descent(task, lambda step: settings.rate * (1 - step / steps))(start, seed, 0, steps)
    common = Descent(task, lambda step: settings.rate)(start, seed, 0, first)

    def members(rate: CyclicRate) -> Sequence[Params]:
        snapshots = Snapshots(rate.lowest)
        Descent(task, rate, after=snapshots.after)(common, seed, first, steps)
        return snapshots.members

    saw = members(CyclicRate(settings.high, settings.low, epoch, down=epoch))
    triangle = members(CyclicRate(settings.high, settings.low, epoch))
    each = [torch.stack([scores(task, [one]) for one in some]).mean(0) for some in (saw, triangle)]
    average = WeightAverage.of(saw).params
    rows = [
        scores(task, [plain]),
        each[0],
        scores(task, [average]),
        each[1],
        scores(task, triangle),
    ]
    return {"scores": torch.stack(rows)}


def _linear(settings: Settings) -> Params:
    """Outputs of the average of random linear classifiers against the mean of theirs, float64."""
    task = Network(settings.network.data, (), 200, 100).task()
    members = [params_of(task.fresh(seed).double()) for seed in range(3)]
    mean = torch.stack([outputs(task, one) for one in members]).mean(0)
    off = (outputs(task, WeightAverage.of(members).params) - mean).abs().max() / mean.abs().max()
    return {"off": off}


averages = Experiment(
    "methods.averages",
    "SWA and FGE against a plain training of the same length",
    f"{_SWA}; {_FGE}",
    {
        Scale.SMOKE: Settings(Network("digits", (16,), 640, 200), 3, 1, seeds=1, trained=False),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(
            Network(hidden=(512, 512), samples=None, tests=None), 40, 20, 0.1, 0.1, 0.005, seeds=5
        ),
    },
    perform,
    (
        "Networks and data are ours: a perceptron on Fashion-MNIST.",
        "Cycles are an epoch long, and step sizes are ours.",
    ),
)
"""Both end at less test loss than a plain training of the same length."""

SWA: Method = Method(
    "SWA (stochastic weight averaging)",
    _SWA,
    "`isthmus.WeightAverage`, `isthmus.CyclicRate`",
    "The mean of points along a training with a cyclic or constant rate generalises better than "
    "its end.",
    averages,
)

FGE: Method = Method(
    "FGE (fast geometric ensembling)",
    _FGE,
    "`isthmus.Snapshots`, `isthmus.CyclicRate`",
    "Snapshots of short cycles are an ensemble at the cost of one training: ImageNet top-1 error "
    "23.87 to 23.31 % for a ResNet-50 in five more epochs.",
    averages,
)
