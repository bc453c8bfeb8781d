"""Width: barriers without permutations, as networks widen, and once scores are calibrated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from isthmus.alignment import align
from isthmus.ground import Params, params_of
from isthmus.landscape import (
    CalibratedBarrier,
    Line,
    Loss,
    calibrated_barrier,
    weighted_connectivity,
)
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, beside, chart
from isthmus.papers.methods.method import Measured, Method
from isthmus.papers.methods.symmetry.networks import perceptron_task, permutations
from isthmus.papers.tasks import Task

_SOURCE = "Ito, Yamada and Kumagai 2026 (ICLR)"

FIGURES = ("as trained", "calibrated", "matched")
"""Barriers: of the line between two networks as they are, at each point's temperature, aligned."""


@dataclass(frozen=True)
class Settings:
    """What is trained: perceptrons without biases, with two hidden layers, by SGD with momentum.

    Attributes:
        data: ``digits`` or ``fashion``.
        widths: Of both hidden layers.
        decays: Weight decays.
        samples: To train on.
        tests: Half of them are for losses, half for temperatures.
        epochs: Of each training.
        points: On every line.
        headline: Whether the training is long enough for the claims about trained networks.
    """

    data: str = "fashion"
    widths: tuple[int, ...] = (16, 64, 256)
    decays: tuple[float, ...] = (0.0, 3e-3)
    samples: int = 4000
    tests: int = 2000
    epochs: int = 6
    points: int = 5
    headline: bool = True


@dataclass(frozen=True)
class Widths(Measured):
    """Barriers by weight decay and width.

    Attributes:
        settings: What was run.
        heights: ``(decays, widths, 3)``, in the order of `FIGURES`.
        inverses: ``(decays, widths)``: inverse temperature in the middle.
        apart: ``(decays, widths, 3)``: of every layer's outputs in the middle, how far they are
            from the sum of powers that is predicted, relative.
        crossing: ``(decays, widths, 3)``: how large a layer of one network is on what the same
            layer of the other reads, over its own.
        exact: How far two networks with no unit in common are from all of it.
    """

    settings: Settings
    heights: Tensor
    inverses: Tensor
    apart: Tensor
    crossing: Tensor
    exact: float

    @property
    def measured(self) -> str:
        """In one line: the widest, with the largest weight decay."""
        plain, calibrated, matched = self.heights[-1, -1].tolist()
        return (
            f"width {self.settings.widths[-1]}, weight decay {self.settings.decays[-1]:g}: barrier "
            f"{plain:.2f} without permutations, {calibrated:.2f} calibrated (inverse temperature "
            f"{float(self.inverses[-1, -1]):.1f}), {matched:.2f} matched; width "
            f"{self.settings.widths[0]}: {float(self.heights[-1, 0, 1]):.2f} calibrated"
        )

    def arrays(self) -> Params:
        """All of it."""
        return {n: getattr(self, n) for n in ("heights", "inverses", "apart", "crossing")}

    def check(self) -> list[Check]:
        """What is exact; then what the source sees."""
        claims = [
            Check(
                "orthogonal networks",
                "layers of networks that share no unit add up by powers, exactly",
                self.exact,
                1e-6,
                source=_SOURCE,
            )
        ]
        return claims + (self._headline() if self.settings.headline else [])

    def _headline(self) -> list[Check]:
        last = self.heights[-1]
        return [
            Check(
                "width",
                "with weight decay, the calibrated barrier without permutations falls with width, "
                "from the first to the last by half at least",
                float(last[-1, 1] - last[0, 1] / 2),
                source=_SOURCE,
            ),
            Check(
                "temperature",
                "the widest network's barrier is mostly one of temperature: calibrated it is a "
                "quarter",
                float(last[-1, 1] - last[-1, 0] / 4),
                finding="what calibration leaves at this width depends on the seed: from a "
                "thirtieth to somewhat more than a quarter, in those tried",
                source=_SOURCE,
            ),
            Check(
                "weight decay",
                "what layers of one network make of what the other's read falls with weight decay, "
                "in the widest, on the mean of the layers from the second on",
                float((self.crossing[-1, -1, 1:] - self.crossing[0, -1, 1:]).mean()),
                source=_SOURCE,
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """Barriers against width, a panel for each weight decay."""
        widths = [float(w) for w in self.settings.widths]
        panels = [
            chart(
                f"weight decay {decay:g}",
                Axis("width", log=True),
                Axis("barrier"),
                [
                    Series(name, widths, self.heights[k, :, j].tolist(), tone)
                    for j, (name, tone) in enumerate(
                        zip(FIGURES, ("red", "blue", "teal"), strict=True)
                    )
                ],
                width=440,
            )
            for k, decay in enumerate(self.settings.decays)
        ]
        return {"width": beside("Barriers without permutations", *panels)}

    def __str__(self) -> str:
        rows = [
            [f"{decay:g}", str(width), *(f"{v:.3f}" for v in self.heights[k, j].tolist()),
             f"{float(self.inverses[k, j]):.2f}",
             *(f"{v:.2f}" for v in self.apart[k, j, 1:].tolist()),
             *(f"{v:.2f}" for v in self.crossing[k, j, 1:].tolist())]
            for k, decay in enumerate(self.settings.decays)
            for j, width in enumerate(self.settings.widths)
        ]  # fmt: skip
        head = ("decay", "width", *FIGURES, "inverse", "apart 2", "apart 3", "cross 2", "cross 3")
        return table(head, rows)


def perform(bench: Bench, settings: Settings) -> Widths:
    """A step for each training, and one for each pair."""
    rows: list[Params] = []
    for decay in settings.decays:
        for width in settings.widths:
            name = f"{width}-decay-{decay:g}"
            bench.tell(name, len(rows), len(settings.decays) * len(settings.widths))
            rows.append(bench.step(name, partial(_pair, bench, settings, width, decay)))
    shape = (len(settings.decays), len(settings.widths))
    stacked = {
        k: torch.stack([r[k] for r in rows]).view(*shape, *x.shape) for k, x in rows[0].items()
    }
    return Widths(settings, **stacked, exact=_exact(bench.seed))


def _pair(bench: Bench, settings: Settings, width: int, decay: float) -> Params:
    task = perceptron_task(
        settings.data, (width, width), settings.samples, settings.tests, biases=False
    )
    optimiser = partial(torch.optim.SGD, momentum=0.9, weight_decay=decay)
    a, b = (
        task.trained(
            bench,
            bench.seed + k,
            epochs=settings.epochs,
            lr=0.05,
            optimiser=optimiser,
            name=f"trained-{width}-{decay:g}-{k}",
        )
        for k in range(2)
    )
    here, there = _halves(task)
    found = calibrated_barrier(here, Line(a, b), there, settings.points)
    fit = align(b, to=a, symmetry=permutations(task), seed=bench.seed).params
    layers = weighted_connectivity(here, a, b)
    return {
        "heights": torch.tensor(_heights(found, here, a, fit, settings.points)),
        "inverses": torch.tensor(found.inverses[settings.points // 2]),
        "apart": torch.tensor(list(layers.distance.values())),
        "crossing": torch.tensor([max(pair) for pair in layers.crossing.values()]),
    }


def _heights(
    found: CalibratedBarrier, loss: Loss, a: Params, fit: Params, points: int
) -> list[float]:
    matched = calibrated_barrier(loss, Line(a, fit), loss, points).height
    return [found.height, found.calibrated_height, matched]


def _halves(task: Task) -> tuple[Loss, Loss]:
    """The test data for losses, and for temperatures."""
    half = len(task.x_test) // 2
    parts = [(task.x_test[:half], task.y_test[:half]), (task.x_test[half:], task.y_test[half:])]
    first, last = (replace(task, x_test=x, y_test=y).loss(test=True) for x, y in parts)
    return first, last


def _exact(seed: int) -> float:
    """Two networks, each on one half of the hidden units: they are reciprocally orthogonal."""
    task = perceptron_task("digits", (8, 8), 50, 50, biases=False)

    def on(half: Tensor, seed: int) -> Params:
        (one, first), (two, second), (three, last) = params_of(task.fresh(seed)).items()
        return {one: first * half[:, None], two: second * half[:, None] * half, three: last * half}

    half = torch.arange(8) < 4
    loss = replace(task.loss(50), dtype=torch.float64)
    found = weighted_connectivity(loss, on(half, seed), on(~half, seed + 1), t=0.3)
    return max(found.distance.values())


experiment = Experiment(
    "methods.width",
    "Barriers without permutations, against width and weight decay, and calibrated",
    _SOURCE,
    {
        Scale.SMOKE: Settings("digits", (8, 16), (3e-3,), 300, 100, 1, 3, headline=False),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(
            widths=(32, 128, 512, 2048), samples=60000, tests=10000, epochs=30, points=25
        ),
    },
    perform,
    (
        "The source's perceptrons are on MNIST; Fashion-MNIST and the optimiser are ours.",
        "Both ends of a calibrated line are calibrated too.",
    ),
)
"""Between wide networks the middle is right and quiet."""

METHOD = Method(
    "Width without permutations, and temperature",
    _SOURCE,
    "`isthmus.weighted_connectivity`, `isthmus.calibrated_barrier`, "
    "`isthmus.calibrate_temperature`",
    "wide networks need no permutation once the middle's scores are calibrated: reports loss "
    "barriers of 0.013 (MLP, MNIST), 0.066 (VGG-11) and 0.087 (ResNet-20, CIFAR-10)",
    experiment,
)
