"""Learned curves between two networks of different seeds: polygon, Bézier, elastic band."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from isthmus.ground import Params, double
from isthmus.landscape import Bezier, ElasticBand, Line, PolygonalChain, Training, bend
from isthmus.landscape.curves import Curve
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.methods.connectivity.ways import Networks, Ways, along, ordered
from isthmus.papers.methods.method import Method

GARIPOV = "Garipov et al. 2018, NeurIPS"
DRAXLER = "Draxler et al. 2018, ICML"
NAMES = ("line", "polygon", "Bézier", "elastic band")


@dataclass(frozen=True)
class Settings(Networks):
    """Two networks, and the curves between them.

    Attributes:
        steps: Of the training of each curve, of 128 samples.
        rate: Its step size at first.
    """

    steps: int = 1000
    rate: float = 3e-3


@dataclass(frozen=True)
class Curves(Ways):
    """The losses on the line and on the curves.

    Attributes:
        settings: What was run.
        formula: How far a Bézier curve is from ``(1-t)² a + 2t(1-t) θ + t² b``, relative.
    """

    title = "Two seeds: the line, and curves that are learned"

    settings: Settings
    formula: Tensor = field(metadata={"json": False})

    def check(self) -> list[Check]:
        """The parametrisation is exact; the ends stay; curves are low where the line is not."""
        line = self.height("line")
        ends = max(
            float((row[:, [0, -1]] - self.losses["line"][:, [0, -1]]).abs().max())
            for row in self.losses.values()
        )
        off = float(self.formula)
        checks = [
            Check("parametrisation", "a Bézier curve is its formula", off, 1e-12, source=GARIPOV),
            Check("ends", "every curve joins the two networks themselves", ends, 1e-6),
        ]
        if not self.settings.fashion:
            return checks
        worse = float(self.losses["line"][1, [0, -1]].max())
        claim = "errors on the band are at most two points above that of the worse network"
        over = self.error("elastic band") - worse
        checks.append(Check("saddle", claim, over, 0.02, source=DRAXLER))
        for way, source in zip(NAMES[1:], (GARIPOV, GARIPOV, DRAXLER), strict=True):
            claim = f"the barrier on the {way} is below a third of the line's"
            checks.append(Check(way, claim, self.height(way) - line / 3, source=source))
        return checks

    def arrays(self) -> Params:
        """All losses."""
        return {**super().arrays(), "formula": self.formula}

    @property
    def measured(self) -> str:
        """The barriers, and the errors."""
        way = ", ".join(
            f"{name} {self.height(name):.3f} ({self.error(name):.1%})" for name in self.losses
        )
        return f"{self.settings}: barrier of the test loss (largest error) {way}"


def perform(bench: Bench, settings: Settings) -> Curves:
    """Two trainings, three curves, one evaluation."""
    a, b = settings.trained(bench, 2)
    task = settings.task()
    training = Training(lambda tensors: torch.optim.Adam(tensors, lr=settings.rate))

    def work() -> Params:
        loss = task.loss(batch=128)
        shapes = (PolygonalChain(1), Bezier(1), ElasticBand(bends=3))
        curves = [
            bend(Line(a, b), loss, shape, settings.steps, bench.seed, training) for shape in shapes
        ]
        ways = dict(zip(NAMES, (Line(a, b), *curves), strict=True))
        found = along(task.loss(test=True), ways, settings.points)
        return {**found, "formula": torch.tensor(_off(curves[1]))}

    found = bench.step("curves", work)
    return Curves(ordered(found, NAMES), settings, found["formula"])


def _off(curve: Curve) -> float:
    """How far the points of a curve are from Bézier's formula, relative, in float64."""
    curve, gaps = Curve(curve.shape, [double(dict(point)) for point in curve.points]), []
    for t in (0.2, 0.5, 0.9):
        weights = ((1 - t) ** 2, 2 * t * (1 - t), t**2)
        for name, here in curve(t).items():
            points = [w * p[name] for w, p in zip(weights, curve.points, strict=True)]
            gaps.append(float((here - sum(points)).abs().max() / here.abs().max()))
    return max(gaps)


curves = Experiment(
    "methods.curves",
    "Curves of low loss between two networks of different seeds",
    f"{GARIPOV}; {DRAXLER}",
    {
        Scale.SMOKE: Settings.small(steps=60),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(
            hidden=(512, 512), samples=60000, tests=10000, epochs=20, steps=20000
        ),
    },
    perform,
    ("The sources train convolutional networks; ours are small perceptrons.",),
)
"""No symmetry is used here: the curves find their own way."""

METHODS: tuple[Method, ...] = (
    Method(
        "Polygonal chains and Bézier curves",
        GARIPOV,
        "`isthmus.bend` with `PolygonalChain` or `Bezier`; `isthmus barrier --paths bezier`",
        "VGG-16 on CIFAR-10: test error 90 % in the middle of the line, 7.01 % at most on a curve",
        curves,
    ),
    Method(
        "AutoNEB",
        DRAXLER,
        "`isthmus.bend` with `ElasticBand`; `isthmus barrier --paths elastic`",
        "Saddles at most 0.5 (CIFAR-10) and 2.2 points (CIFAR-100) of test error above the minima",
        curves,
    ),
)
"""What is measured here."""
