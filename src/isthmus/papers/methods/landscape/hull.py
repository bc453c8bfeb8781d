"""The convex hull of minima: from one early checkpoint, from nothing in common, and aligned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from isthmus.alignment import align
from isthmus.discovery import discover
from isthmus.ground import Params, params_of
from isthmus.landscape import Bootstrap, ConvexHull, Loss, convex_hull
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, chart
from isthmus.papers.methods.landscape.training import SMALL, Descent, Network
from isthmus.papers.methods.method import Measured, Method
from isthmus.papers.tasks import Task

_SOURCE = "Yunis et al. 2022"
_KINDS = {"shared start": "blue", "independent, aligned": "teal", "independent": "red"}
_FIGURES = ("ends", "mean", "centre", "height", "low", "high", "edge")


@dataclass(frozen=True)
class Settings:
    """Some minima of each kind, and the points of their hulls.

    Attributes:
        network: What is trained.
        epochs: Of each training.
        rate: The first step size; it falls to 0 in a line.
        shared: Steps that minima from one checkpoint have in common.
        minima: In each hull.
        points: In each hull, at random.
        resamples: Of the intervals.
        trained: Whether claims on trained networks are checked.
    """

    network: Network = SMALL
    epochs: int = 6
    rate: float = 0.3
    shared: int = 40
    minima: int = 4
    points: int = 60
    resamples: int = 200
    trained: bool = True


@dataclass(frozen=True)
class Hulls(Measured):
    """What was found in the hulls, on test data.

    Attributes:
        settings: What was run.
        losses: ``(kinds, points)``: at the points inside, in rising order.
        figures: ``(kinds, 7)``: mean loss of the minima, mean inside, loss in the centre, largest
            height with the ends of its interval, and largest barrier on a line.
        convex: Height of the hull for a network without hidden layers, whose loss is convex.
    """

    settings: Settings
    losses: Tensor = field(metadata={"json": False})
    figures: Tensor
    convex: float

    def figure(self, name: str) -> Tensor:
        """One of the figures, of every kind."""
        return self.figures[:, _FIGURES.index(name)]

    @property
    def measured(self) -> str:
        """Mean losses at the ends, and inside."""
        ends, mean = self.figure("ends").tolist(), self.figure("mean").tolist()
        words = [
            f"{kind} {inside:.3f} inside, {end:.3f} at the minima"
            for kind, end, inside in zip(_KINDS, ends, mean, strict=True)
        ]
        return "mean test loss: " + "; ".join(words)

    def arrays(self) -> Params:
        """All of it."""
        return {"losses": self.losses, "figures": self.figures}

    def check(self) -> list[Check]:
        """Convex losses have no barrier; hulls of one checkpoint are low, others are not."""
        checks = [
            Check(
                "convex",
                "without hidden layers the loss is convex, and no point of the hull is above the "
                "mixture of its corners",
                self.convex,
                1e-12,
                source="convexity of cross-entropy in the outputs",
            )
        ]
        if not self.settings.trained:
            return checks
        shared, aligned, apart = (self.figure("mean") / self.figure("ends") - 1).tolist()
        height = self.figure("height").tolist()
        return [
            *checks,
            Check(
                "shared start",
                "inside the hull of minima from one early checkpoint the mean loss is that of the "
                "minima, or less (relative)",
                shared,
                0.01,
                finding="with some seeds it is a little more than a hundredth above: "
                "no theorem forbids it",
                source=_SOURCE,
            ),
            Check(
                "independent",
                "between minima with nothing in common the hull rises higher, at its highest",
                height[0] - height[2],
                source=_SOURCE,
            ),
            Check(
                "aligned",
                "aligning them takes away half of the mean rise at least",
                aligned - 0.5 * apart,
                source="ours",
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """The losses inside, in order."""
        share = torch.linspace(0, 1, self.losses.shape[1]).tolist()
        series = [
            Series(kind, share, row.tolist(), tone, dots=False)
            for (kind, tone), row in zip(_KINDS.items(), self.losses, strict=True)
        ]
        title = "Losses in convex hulls of minima"
        return {"hull": chart(title, Axis("share of the points"), Axis("test loss"), series)}

    def __str__(self) -> str:
        rows = [
            [kind, *(f"{float(v):.4f}" for v in row)]
            for kind, row in zip(_KINDS, self.figures, strict=True)
        ]
        return table(("minima", *_FIGURES), rows)


def perform(bench: Bench, settings: Settings) -> Hulls:
    """A step for the hulls, and one for that of a linear network."""
    found = bench.step("hulls", partial(_hulls, bench, settings))
    convex = bench.step("convex", partial(_convex, bench, settings))
    return Hulls(settings, found["losses"], found["figures"], float(convex["height"]))


def _hulls(bench: Bench, settings: Settings) -> Params:
    task = settings.network.task()
    seeds = [bench.seed + k for k in range(1, settings.minima + 1)]
    apart = [_minimum(task, settings, seed, seed) for seed in seeds]
    shared = [_minimum(task, settings, bench.seed, seed) for seed in seeds]
    symmetry = discover(task.fresh(), task.x[:1])
    aligned = [apart[0], *(align(b, to=apart[0], symmetry=symmetry).params for b in apart[1:])]
    loss = task.loss(test=True)
    hulls = [_hull(bench, settings, loss, minima) for minima in (shared, aligned, apart)]
    losses = torch.tensor([sorted(hull.losses) for hull in hulls], dtype=torch.float64)
    return {"losses": losses, "figures": torch.stack([_figures(hull) for hull in hulls])}


def _minimum(task: Task, settings: Settings, start: int, noise: int) -> Params:
    """A training whose first steps have the start and the noise of one seed, and then another."""
    steps = settings.epochs * (len(task.x) // Descent.batch)
    train = Descent(task, lambda step: settings.rate * (1 - step / steps))
    early = train(params_of(task.fresh(start)), start, 0, settings.shared)
    return train(early, noise, settings.shared, steps)


def _hull(bench: Bench, settings: Settings, loss: Loss, minima: list[Params]) -> ConvexHull:
    interval = Bootstrap(settings.resamples, seed=bench.seed)
    return convex_hull(minima, loss, settings.points, bench.seed, points=11, interval=interval)


def _figures(hull: ConvexHull) -> Tensor:
    assert hull.interval is not None
    ends = sum(hull.ends) / len(hull.ends)
    height = (hull.height, hull.interval.low, hull.interval.high)
    return torch.tensor([ends, hull.mean, hull.centre, *height, hull.largest_edge]).double()


def _convex(bench: Bench, settings: Settings) -> Params:
    """The height of the hull of random linear classifiers, in float64."""
    network = Network(settings.network.data, (), 500, 200)
    task = network.task()
    shown = [(task.x_test.double(), task.y_test)]
    minima = [params_of(task.fresh(bench.seed + k).double()) for k in range(settings.minima)]
    loss = Loss(task.fresh(), shown, task.criterion, {}, dtype=torch.float64)
    hull = convex_hull(minima, loss, settings.points, bench.seed, points=11)
    return {"height": torch.tensor(max(hull.height, hull.largest_edge), dtype=torch.float64)}


hull = Experiment(
    "methods.hull",
    "The loss between many minima at once",
    _SOURCE,
    {
        Scale.SMOKE: Settings(
            Network("digits", (16,), 640, 200), 1, 0.1, 2, 3, 8, resamples=20, trained=False
        ),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(
            Network(hidden=(512, 512), samples=None, tests=None), 20, 0.1, 1000, points=500
        ),
    },
    perform,
    (
        "Networks and data are ours; of the source only the abstract could be read.",
        "That independent minima are aligned is ours.",
    ),
)
"""Minima from one early checkpoint span a valley; independent ones do once they are aligned."""

METHOD: Method = Method(
    "Convex hull of minima",
    _SOURCE,
    "`isthmus.convex_hull`",
    "The convex hull of several endpoints of SGD from a shared early iterate has low loss.",
    hull,
)
