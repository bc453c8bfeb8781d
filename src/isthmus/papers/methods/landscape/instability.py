"""Instability analysis: from which step on copies of a training end in one connected region."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from isthmus.alignment import align
from isthmus.discovery import discover
from isthmus.ground import Params, distance, params_of
from isthmus.landscape import Instability
from isthmus.landscape import instability as analyse
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, chart
from isthmus.papers.methods.landscape.training import Descent, Network
from isthmus.papers.methods.method import Measured, Method

_SOURCE = "Frankle, Dziugaite, Roy and Carbin 2020"
_THRESHOLD = 0.02
_NETWORK = Network(hidden=(64, 64, 64), samples=3000)


@dataclass(frozen=True)
class Settings:
    """A training, and where it is copied.

    Attributes:
        network: What is trained.
        epochs: Of the training.
        batch: Samples a step.
        rate: The first step size; it falls to 0 in a line.
        steps: After which it is copied; the end is added.
        children: Copies each.
        trained: Whether claims on trained networks are checked.
    """

    network: Network = _NETWORK
    epochs: int = 6
    batch: int = 16
    rate: float = 0.2
    steps: tuple[int, ...] = (0, 10, 30, 90, 180, 360)
    children: int = 2
    trained: bool = True


@dataclass(frozen=True)
class Copies(Measured):
    """How far copies end apart.

    Attributes:
        settings: What was run.
        steps: Where copies were made, ``(steps,)``; the last is the end.
        figures: ``(steps, 3)``: instability, instability after alignment, and barrier of the loss;
            errors and losses are those on test data.
        cut: Distance of a training that is cut in the middle from the whole one.
    """

    settings: Settings
    steps: Tensor
    figures: Tensor
    cut: float

    @property
    def stable(self) -> int:
        """The first step from which on all are stable; the end always is."""
        unstable = (self.figures[:, 0] >= _THRESHOLD).nonzero().flatten().tolist()
        return int(self.steps[unstable[-1] + 1 if unstable else 0])

    @property
    def measured(self) -> str:
        """Where it becomes stable."""
        first, end = self.figures[0].tolist(), int(self.steps[-1])
        return (
            f"stable from step {self.stable} of {end} on; instability of the start {first[0]:.1%}, "
            f"{first[1]:.1%} after alignment"
        )

    def arrays(self) -> Params:
        """All of it."""
        return {"steps": self.steps, "figures": self.figures}

    def check(self) -> list[Check]:
        """Copies of the end are one model; early copies are not; the noise soon stops to matter."""
        figures, end = self.figures, int(self.steps[-1])
        checks = [
            Check(
                "one training",
                "a training that is cut and gone on with is the whole one",
                self.cut,
                source="the protocol of a trainer",
            ),
            Check(
                "the end",
                "copies of the end are one model, and no line between them rises",
                float(figures[-1].abs().max()),
                1e-6,
                source=_SOURCE,
            ),
        ]
        if self.settings.trained:
            checks += [
                Check(
                    "the start",
                    "copies of the start are not linearly connected: their line rises by 2 % of "
                    "error at least",
                    _THRESHOLD - float(figures[0, 0]),
                    finding="the noise of a short training of a small network may be too little to "
                    "part two copies: seeds differ",
                    source=_SOURCE,
                ),
                Check(
                    "early",
                    "the training becomes stable in its first fifth",
                    self.stable / end - 0.2,
                    source=_SOURCE,
                ),
                Check(
                    "alignment",
                    "alignment makes copies of the start stable",
                    float(figures[0, 1]) - _THRESHOLD,
                    finding="Copies of one start keep the order of its units, as far as matching "
                    "of weights can see: they do not differ by a symmetry that alignment could "
                    "undo.",
                    source="ours",
                ),
            ]
        return checks

    def draw(self) -> Mapping[str, Picture]:
        """Instability by step."""
        steps = (self.steps + 1).tolist()
        names = {"as trained": "red", "aligned": "teal"}
        series = [
            Series(name, steps, self.figures[:, k].tolist(), tone)
            for k, (name, tone) in enumerate(names.items())
        ]
        limit = Series("stable below", steps, [_THRESHOLD] * len(steps), "soft", dash=4, dots=False)
        axes = (
            Axis("steps in common, plus 1", log=True),
            Axis("test error above the ends"),
        )
        return {"instability": chart("Instability", *axes, [*series, limit])}

    def __str__(self) -> str:
        rows = [
            [str(int(step)), *(f"{value:.4f}" for value in row.tolist())]
            for step, row in zip(self.steps, self.figures, strict=True)
        ]
        return table(("step", "instability", "aligned", "loss barrier"), rows)


def perform(bench: Bench, settings: Settings) -> Copies:
    """A step for all copies, and one for a training that is cut."""
    task = settings.network.task()
    end = settings.epochs * (len(task.x) // settings.batch)
    train = Descent(task, lambda step: settings.rate * (1 - step / end), settings.batch)
    start = params_of(task.fresh(bench.seed))

    def copies() -> Params:
        symmetry = discover(task.fresh(), task.x[:1])
        found = analyse(
            train,
            start,
            task.loss(test=True),
            (*settings.steps, end),
            end,
            bench.seed,
            [bench.seed + k for k in range(1, settings.children + 1)],
            align=lambda b, a: align(b, to=a, symmetry=symmetry).params,
            progress=partial(bench.tell, "copies"),
        )
        return _figures(found)

    def cut() -> Params:
        whole, half = train(start, 1, 0, end // 4), train(start, 1, 0, end // 9)
        far = distance(whole, train(half, 1, end // 9, end // 4))
        return {"distance": torch.tensor(far, dtype=torch.float64)}

    found = bench.step("copies", copies)
    return Copies(
        settings, found["steps"], found["figures"], float(bench.step("cut", cut)["distance"])
    )


def _figures(found: Instability) -> Params:
    rows = [
        (row.instability, row.aligned, sum(b.height for b in row.barriers) / len(row.barriers))
        for row in found.rows
    ]
    return {
        "steps": torch.tensor([row.step for row in found.rows]),
        "figures": torch.tensor(rows, dtype=torch.float64),
    }


instability = Experiment(
    "methods.instability",
    "From which step on the noise of a training no longer decides",
    _SOURCE,
    {
        Scale.SMOKE: Settings(Network("digits", (16,), 320, 200), 2, 32, 0.2, (0, 5), 2, False),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(
            Network(hidden=(256, 256, 256), samples=None, tests=None),
            20,
            64,
            0.2,
            (0, 50, 100, 200, 500, 1000, 2000, 4000, 8000),
            children=4,
        ),
    },
    perform,
    (
        "Networks and data are ours: a perceptron on Fashion-MNIST.",
        "Step sizes fall to 0, and there is no momentum, so that Params are all of the state.",
        "That copies are also aligned is ours.",
    ),
)
"""Stable after the first part of the training, and not at its start."""

METHOD: Method = Method(
    "Instability analysis, linear connectivity from a shared checkpoint",
    _SOURCE,
    "`isthmus.instability`",
    "Networks become stable to the noise of SGD early in training.",
    instability,
)
