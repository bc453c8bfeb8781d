"""Backdoors: repaired in the middle of a curve that a few clean images train."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import Tensor

from isthmus.ground import Params
from isthmus.landscape import Bezier, Evaluation, Line, bend
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, beside, chart
from isthmus.papers.methods.method import Measured, Method
from isthmus.papers.methods.symmetry.cues import Cue
from isthmus.papers.methods.symmetry.networks import perceptron_task

_SOURCE = "Zhao, Chen, Das, Ramamurthy and Lin 2020 (ICLR)"

PATHS = ("line", "curve")
REPAIRED = 0.1
"""The source's t: near one end, so that accuracy is kept."""


@dataclass(frozen=True)
class Settings:
    """What is trained.

    Attributes:
        data: ``digits`` or ``fashion``.
        width: Of one hidden layer.
        samples: To train on.
        tests: To test on.
        poisoned: Share of the training images with a trigger and the target class.
        epochs: Of each training.
        clean: Images without trigger, on which the curve is trained.
        steps: Of that training.
        points: On every path; one of them is t = 0.1.
        headline: Whether the training is long enough for the claims about trained networks.
    """

    data: str = "fashion"
    width: int = 128
    samples: int = 5000
    tests: int = 1000
    poisoned: float = 0.1
    epochs: int = 5
    clean: int = 1000
    steps: int = 500
    points: int = 11
    headline: bool = True


@dataclass(frozen=True)
class Backdoor(Measured):
    """Accuracy, and how often the trigger works, between two networks with a backdoor.

    Attributes:
        settings: What was run.
        accuracy: ``(paths, points)``, of clean test images, in the order of `PATHS`.
        attacked: ``(paths, points)``: of test images of other classes, with the trigger, those
            that are taken for the target.
        ends: How far the curve's ends are from the two networks.
    """

    settings: Settings
    accuracy: Tensor = field(metadata={"json": False})
    attacked: Tensor = field(metadata={"json": False})
    ends: float

    @property
    def _near(self) -> int:
        """The place of t = 0.1, or the nearest inside."""
        return max(1, round(REPAIRED * (self.settings.points - 1)))

    @property
    def measured(self) -> str:
        """In one line."""
        k, middle = self._near, self.settings.points // 2
        words = [
            f"t = {at / (self.settings.points - 1):.1f}: {float(self.accuracy[1, at]):.0%} clean, "
            f"{float(self.attacked[1, at]):.0%} attacked"
            for at in (0, k, middle)
        ]
        return f"on the curve that {self.settings.clean} clean images train, " + "; ".join(words)

    def arrays(self) -> Params:
        """All of it."""
        return {"accuracy": self.accuracy, "attacked": self.attacked}

    def check(self) -> list[Check]:
        """The ends stay; then what the source sees."""
        claims = [
            Check("ends", "the curve ends at the two networks", self.ends, source=_SOURCE),
        ]
        return claims + (self._headline() if self.settings.headline else [])

    def _headline(self) -> list[Check]:
        k, middle = self._near, self.settings.points // 2
        lost = float(self.accuracy[1, 0]) - float(self.accuracy[1].min())
        return [
            Check(
                "backdoor",
                "both networks have the backdoor: the trigger works in nine of ten images",
                0.9 - float(self.attacked[:, [0, -1]].min()),
                source=_SOURCE,
            ),
            Check(
                "repaired in the middle",
                "in the middle of the curve the trigger works in less than half as many images, "
                "and accuracy is within five points",
                max(float(self.attacked[1, middle] - self.attacked[1, 0] / 2), lost - 0.05),
                source=_SOURCE,
            ),
            Check(
                "repaired at t = 0.1",
                "so it is at t = 0.1",
                float(self.attacked[1, k] - self.attacked[1, 0] / 2),
                finding="near its end this short curve is still near a network with the backdoor",
                source=_SOURCE,
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """Both shares, on the line and on the curve."""
        ts = torch.linspace(0, 1, self.settings.points).tolist()
        panels = [
            chart(
                name,
                Axis("t"),
                Axis("share"),
                [
                    Series("accuracy", ts, self.accuracy[k].tolist(), "teal", dots=False),
                    Series("attacked", ts, self.attacked[k].tolist(), "red", dots=False),
                ],
                width=420,
            )
            for k, name in enumerate(("The line", "The curve"))
        ]
        return {"backdoor": beside("Between two networks with a backdoor", *panels)}

    def __str__(self) -> str:
        ts = torch.linspace(0, 1, self.settings.points).tolist()
        rows = [
            [f"{t:.2f}", *(f"{float(x[j, k]):.3f}" for j in range(2) for x in self._both)]
            for k, t in enumerate(ts)
        ]
        return table(
            ("t", *(f"{name}, {what}" for name in PATHS for what in ("clean", "attacked"))), rows
        )

    @property
    def _both(self) -> tuple[Tensor, Tensor]:
        return self.accuracy, self.attacked


def perform(bench: Bench, settings: Settings) -> Backdoor:
    """A step for each training, and one for the curve."""
    found = bench.step("paths", partial(_measured, bench, settings))
    return Backdoor(settings, found["accuracy"], found["attacked"], float(found["ends"]))


def _measured(bench: Bench, settings: Settings) -> Params:
    plain = perceptron_task(settings.data, (settings.width,), settings.samples, settings.tests)
    trigger, target = Cue(seed=bench.seed), 0
    draw = torch.Generator().manual_seed(bench.seed)
    bad = torch.rand(len(plain.x), generator=draw) < settings.poisoned
    x, y = trigger.without(plain.x), plain.y.clone()
    x[bad] = trigger.put(x[bad], torch.full((int(bad.sum()),), target))
    y[bad] = target
    poisoned = replace(plain, name=f"{plain.name}-poisoned", x=x, y=y)
    a, b = (poisoned.trained(bench, bench.seed + k, epochs=settings.epochs) for k in range(2))
    clean = replace(
        plain,
        x=trigger.without(plain.x)[: settings.clean],
        y=plain.y[: settings.clean],
        x_test=trigger.without(plain.x_test),
    )
    curve = bend(Line(a, b), clean.loss(batch=64), Bezier(bends=1), settings.steps, bench.seed)
    others = plain.y_test != target
    shown = trigger.put(plain.x_test, torch.full_like(plain.y_test, target))[others]
    attacked = replace(plain, x_test=shown, y_test=torch.full((len(shown),), target))
    ts = [k / (settings.points - 1) for k in range(settings.points)]
    losses = (clean.loss(test=True), attacked.loss(test=True))
    shares = [[_shares(loss.along(path, ts)) for path in (Line(a, b), curve)] for loss in losses]
    apart = [float((curve(t)[n] - end[n]).abs().max()) for t, end in ((0, a), (1, b)) for n in a]
    return {
        "accuracy": torch.tensor(shares[0]),
        "attacked": torch.tensor(shares[1]),
        "ends": torch.tensor(max(apart)),
    }


def _shares(found: list[Evaluation]) -> list[float]:
    return [one.metrics["accuracy"] for one in found]


experiment = Experiment(
    "methods.backdoor",
    "A curve that a few clean images train has no backdoor in its middle",
    _SOURCE,
    {
        Scale.SMOKE: Settings("digits", 16, 300, 100, 0.2, 1, 100, 10, 3, headline=False),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(
            width=512, samples=60000, tests=10000, epochs=20, clean=2500, steps=10000, points=41
        ),
    },
    perform,
    ("The source's networks are VGG and ResNet on CIFAR-10; network, data and trigger are ours.",),
)
"""Both ends have the backdoor; the way between them forgets it."""

METHOD = Method(
    "Backdoor repair by a curve",
    _SOURCE,
    "`isthmus.bend`, `isthmus.Bezier`",
    "reports that a Bézier curve trained on few clean images repairs backdoors near its ends (at "
    "t = 0.1) at little cost in accuracy",
    experiment,
)
