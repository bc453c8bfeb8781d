"""Clusters of strategies: fine-tunes that use a shortcut and such that do not, told by lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import Tensor

from isthmus.ground import Params
from isthmus.landscape import Loss
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, chart
from isthmus.papers.methods.method import Measured, Method
from isthmus.papers.methods.symmetry.cues import Cue, read
from isthmus.papers.methods.symmetry.networks import perceptron_task
from isthmus.papers.tasks import Task
from isthmus.testing.datasets import batches
from isthmus.topology import LinearClusters, convexity_gap, linear_clusters

JUNEJA = "Juneja et al. 2023, ICLR"
GROUPS = ("shortcut", "none", "none, other images")
"""Fine-tunes on images with the cue, with a cue that says nothing, and so on other images."""


@dataclass(frozen=True)
class Settings:
    """What is trained.

    Attributes:
        data: ``digits`` or ``fashion``.
        widths: Of the hidden layers.
        samples: To fine-tune on, in each of two halves; ``tests`` to test on.
        starts: How many common starts there are, each with fine-tunes of its own.
        base: Epochs of the training of a start, on images without the cue.
        epochs: Of each fine-tuning, with Adam at ``rate``.
        each: Fine-tunes in a group.
        points: On every line.
        headline: Whether that is enough for the claims.
    """

    data: str = "fashion"
    widths: tuple[int, ...] = (64, 64)
    samples: int = 4000
    tests: int = 1000
    starts: int = 3
    base: int = 1
    epochs: int = 6
    rate: float = 3e-3
    each: int = 4
    points: int = 11
    headline: bool = True


@dataclass(frozen=True)
class Strategies(Measured):
    """Convexity gaps between fine-tunes, on images with the cue.

    Attributes:
        settings: What was run.
        gaps: ``(starts, models, models)``, the groups of `GROUPS` one after the other.
        labels: ``(starts, models)``: the clusters of the first two groups.
        reliance: ``(starts, models)``: the accuracy on images without the cue, less that with a
            wrong one.
        off: How far the gap of a convex row of losses is from 0, that of a single hill from its
            height, and that of a hill on a slope from the closed form.
    """

    settings: Settings
    gaps: Tensor = field(metadata={"json": False})
    labels: Tensor
    reliance: Tensor = field(metadata={"json": False})
    off: Tensor

    def arrays(self) -> Params:
        """All tensors."""
        names = ("gaps", "labels", "reliance", "off")
        return {name: getattr(self, name) for name in names}

    @property
    def agreements(self) -> list[float]:
        """The adjusted Rand index of clusters and strategies, for each start."""
        strategies = [name for name in GROUPS[:2] for _ in range(self.settings.each)]
        return [
            LinearClusters(gaps, tuple(labels)).agreement(strategies)
            for gaps, labels in zip(self.gaps, self.labels.tolist(), strict=True)
        ]

    @property
    def agreement(self) -> float:
        """Their mean."""
        return sum(self.agreements) / len(self.agreements)

    def between(self, one: int, other: int) -> float:
        """The mean gap between two groups, or within one."""
        found = self._gaps(one, other)
        return sum(found) / max(len(found), 1)

    def used(self, group: int) -> float:
        """The mean reliance of a group."""
        each = self.settings.each
        return float(self.reliance[:, group * each : (group + 1) * each].mean())

    @property
    def measured(self) -> str:
        """Gaps, and the agreement."""
        within = max(self.between(0, 0), self.between(1, 1))
        indices = ", ".join(f"{index:.2f}" for index in self.agreements)
        return (
            f"{2 * self.settings.each} fine-tunes of each of {len(self.gaps)} networks: mean "
            f"convexity gap at most {within:.4f} within a strategy, {self.between(0, 1):.4f} "
            f"between; same strategy on other images {self.between(1, 2):.4f}; agreement of "
            f"clusters with strategies (adjusted Rand index) {indices}; a wrong cue costs "
            f"{self.used(0):.0%} and {self.used(1):.0%} accuracy"
        )

    def check(self) -> list[Check]:
        """The gap is its formula; then strategies and clusters."""
        exact = [
            Check(name, claim, float(off), 1e-12, source=JUNEJA)
            for (name, claim), off in zip(_EXACT, self.off, strict=True)
        ]
        if not self.settings.headline:
            return exact
        within = max(self.between(0, 0), self.between(1, 1))
        return [
            *exact,
            Check(
                "strategies",
                "a wrong cue costs those who saw the shortcut ten points at least, others two at "
                "most",
                max(0.1 - self.used(0), self.used(1) - 0.02),
            ),
            Check(
                "gaps",
                "the mean gap between strategies is at least twice that within either",
                2 * within - self.between(0, 1),
                finding=_UNSTABLE,
                source=JUNEJA,
            ),
            Check(
                "clusters",
                "spectral clusters of gaps agree with the strategies (adjusted Rand index of 0.5)",
                0.5 - self.agreement,
                finding=_UNSTABLE,
                source=JUNEJA,
            ),
            Check(
                "not the images",
                "between fine-tunes on other images with the same strategy it is less than half of "
                "that between strategies",
                2 * self.between(1, 2) - self.between(0, 1),
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """All gaps by pair, in order."""
        rows = []
        for name, tone, pair in (
            ("within a strategy", "teal", ((0, 0), (1, 1))),
            ("other images", "amber", ((1, 2),)),
            ("between strategies", "red", ((0, 1),)),
        ):
            found = sorted(value for groups in pair for value in self._gaps(*groups))
            places = torch.linspace(0, 1, max(len(found), 2)).tolist()
            rows.append(Series(name, places[: len(found)], found, tone))
        title = "Convexity gaps between fine-tunes of one network"
        axes = Axis("share of pairs, in order"), Axis("convexity gap")
        return {"clusters": chart(title, *axes, rows)}

    def _gaps(self, one: int, other: int) -> list[float]:
        each = self.settings.each
        rows, columns = (slice(k * each, (k + 1) * each) for k in (one, other))
        block = self.gaps[:, rows, columns]
        if one == other:
            block = block[:, *torch.triu_indices(each, each, 1)]
        found: list[float] = block.flatten().tolist()
        return found

    def __str__(self) -> str:
        names = range(len(GROUPS))
        rows = [
            [name, *(f"{self.between(k, other):.4f}" for other in names), f"{self.used(k):.3f}"]
            for k, name in enumerate(GROUPS)
        ]
        return table(("mean gap", *GROUPS, "wrong cue costs"), rows)


_UNSTABLE = (
    "all gaps are small here, and how far fine-tunes of one strategy are from convex between them "
    "differs from start to start: as far, from some, as those of two"
)
_EXACT = (
    ("convex", "the gap of convex losses is 0"),
    ("hill", "on a hill between equal ends it is the height of the barrier"),
    ("part", "where the whole path has no barrier, a part of it still shows its own"),
)


def perform(bench: Bench, settings: Settings) -> Strategies:
    """A step for each training, and one for the lines of each start."""
    plain = perceptron_task(settings.data, settings.widths, 2 * settings.samples, settings.tests)
    rows = []
    for k in range(settings.starts):
        bench.tell("fine-tunes and lines", k, settings.starts)
        seed = 1000 * bench.seed + 100 * k
        models = _tuned(bench, settings, plain, seed)
        rows.append(bench.step(f"lines-{k}", partial(_lines, settings, plain, models, seed)))
    gaps, labels, reliance = (
        torch.stack([row[name] for row in rows]) for name in ("gaps", "labels", "reliance")
    )
    return Strategies(settings, gaps, labels, reliance, _exact())


def _tuned(bench: Bench, settings: Settings, plain: Task, seed: int) -> list[Params]:
    """A start, and its fine-tunes, group after group."""
    halves = [
        replace(plain, x=plain.x[part], y=plain.y[part])
        for part in (slice(settings.samples), slice(settings.samples, 2 * settings.samples))
    ]
    start = read(halves[0], Cue(seed=seed), 0.0, telling=False)
    base = start.trained(bench, seed, epochs=settings.base, name=f"base-{seed}")
    models = []
    for k, group in enumerate(GROUPS):
        for number in range(settings.each):
            own = seed + 1 + k * settings.each + number
            half = halves[1] if "other" in group else halves[0]
            task = read(half, Cue(seed=own), 1.0, telling=group == "shortcut")
            tuned = task.trained(
                bench,
                own,
                epochs=settings.epochs,
                lr=settings.rate,
                start=base,
                name=f"tuned-{seed}-{k}-{number}",
            )
            models.append(tuned)
    return models


def _lines(settings: Settings, plain: Task, models: list[Params], seed: int) -> Params:
    x, cue = plain.x_test, Cue(seed=seed)
    shown = (cue.put(x, plain.y_test), cue.without(x), cue.wrong(x))
    cued, clean, wrong = (_loss(plain, one) for one in shown)
    gaps = linear_clusters(models, cued, points=settings.points).gaps
    count = 2 * settings.each
    two = LinearClusters.of(gaps[:count, :count], seed=seed)
    reliance = [
        clean.metrics_at(one)["accuracy"] - wrong.metrics_at(one)["accuracy"] for one in models
    ]
    return {"gaps": gaps, "labels": torch.tensor(two.labels), "reliance": torch.tensor(reliance)}


def _exact() -> Tensor:
    """What `Strategies.off` holds."""
    rows = ([4.0, 1.0, 0.0, 1.0, 4.0], [0.0, 1.0, 2.0, 1.0, 0.0], [4.0, 0.0, 1.0, 0.0, 4.0])
    gaps = [convexity_gap(torch.tensor(row)) for row in rows]
    return (torch.tensor(gaps) - torch.tensor([0.0, 2.0, 1.0])).abs()


def _loss(task: Task, x: Tensor) -> Loss:
    return Loss(task.fresh(), batches(x, task.y_test, 500), task.criterion)


clusters = Experiment(
    "methods.clusters",
    "Fine-tunes with and without a shortcut, in clusters by the lines between them",
    JUNEJA,
    {
        Scale.SMOKE: Settings("digits", (16,), 200, 100, 2, 1, 1, each=2, points=5, headline=False),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(
            widths=(512, 512), samples=30000, tests=10000, base=2, epochs=20, each=20, points=25
        ),
    },
    perform,
    (
        (
            "The source fine-tunes BERT on text, all on the same data, and strategies come from "
            "the seed; ours come from a cue in the data, so a group on other images is the control."
        ),
        "The affinity of the clustering is ours.",
    ),
)
"""A bright pixel that tells the class is the shortcut."""

METHODS: tuple[Method, ...] = (
    Method(
        "Linear connectivity and strategies",
        JUNEJA,
        "`isthmus.linear_clusters`, `isthmus.convexity_gap`",
        "Fine-tuned text classifiers fall into clusters that are linearly connected; clusters are "
        "strategies of generalisation",
        clusters,
    ),
)
"""What is measured here."""
