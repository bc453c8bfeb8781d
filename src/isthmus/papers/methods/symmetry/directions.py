"""Singular directions: what weight matching does to them, and to the distance and the barrier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from isthmus.alignment import align
from isthmus.alignment.directions import SingularDirections, singular_directions
from isthmus.ground import Params
from isthmus.landscape import Line
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, beside, chart
from isthmus.papers.methods.method import Measured, Method
from isthmus.papers.methods.symmetry.networks import perceptron_task, permutations, rise

_SOURCE = "Ito, Yamada and Kumagai 2025 (ICLR)"


@dataclass(frozen=True)
class Settings:
    """What is trained and compared.

    Attributes:
        data: ``digits`` or ``fashion``.
        widths: Of the hidden layers.
        samples: To train on.
        tests: On which barriers are measured.
        epochs: Of each training.
        pairs: Of networks.
        threshold: Singular values lead that are at least this share of the largest.
        points: On every line.
        headline: Whether the training is long enough for the claims about trained networks.
    """

    data: str = "fashion"
    widths: tuple[int, ...] = (128, 128)
    samples: int = 6000
    tests: int = 1000
    epochs: int = 4
    pairs: int = 2
    threshold: float = 0.3
    points: int = 11
    headline: bool = True


@dataclass(frozen=True)
class Directions(Measured):
    """Overlaps of singular directions, distances and losses, before and after alignment.

    Attributes:
        settings: What was run.
        overlaps: ``(pairs, weights, 3, 2)``: of all, leading and trailing directions; before and
            after.
        distances: ``(pairs, weights, 2)``.
        spread: ``(pairs, weights, 2)``: how far the singular values are apart.
        planted: ``(pairs,)``: the largest miss of an overlap of 1 for a planted permutation.
        losses: ``(pairs, 2, points)``: on the line, before and after.
    """

    settings: Settings
    overlaps: Tensor = field(metadata={"json": False})
    distances: Tensor = field(metadata={"json": False})
    spread: Tensor = field(metadata={"json": False})
    planted: Tensor
    losses: Tensor = field(metadata={"json": False})

    @property
    def heights(self) -> list[float]:
        """The mean barrier, before and after."""
        return rise(self.losses).mean(0).tolist()

    @property
    def gained(self) -> list[float]:
        """By how much the overlap rises: of all, leading and trailing directions.

        On the mean of the weights that have any.
        """
        return (self.overlaps[..., 1] - self.overlaps[..., 0]).nanmean((0, 1)).tolist()

    @property
    def shrinkage(self) -> float:
        """The distance of the models after alignment, over that before, on the mean."""
        whole = self.distances.square().sum(1).sqrt()
        return float((whole[:, 1] / whole[:, 0]).mean())

    @property
    def measured(self) -> str:
        """In one line."""
        _, leading, trailing = self.gained
        before, after = self.heights
        return (
            f"matching raises the overlap of leading directions by {leading:.2f}, of the others by "
            f"{trailing:.2f}; the distance shrinks to {self.shrinkage:.0%}, the barrier from "
            f"{before:.2f} to {after:.2f}"
        )

    def arrays(self) -> Params:
        """All of it."""
        names = ("overlaps", "distances", "spread", "planted", "losses")
        return {name: getattr(self, name) for name in names}

    def check(self) -> list[Check]:
        """Permutations are exact; then what the source sees in trained networks."""
        kept = float((self.spread[..., 1] - self.spread[..., 0]).abs().max())
        claims = [
            Check(
                "singular values",
                "permutations leave all singular values",
                kept,
                1e-9,
                source=_SOURCE,
            ),
            Check(
                "planted",
                "a permutation of one network has overlap 1 once it is undone, in every weight",
                float(self.planted.max()),
                1e-9,
                source="ours",
            ),
        ]
        return claims + (self._headline() if self.settings.headline else [])

    def _headline(self) -> list[Check]:
        _, leading, trailing = self.gained
        before, after = self.heights
        return [
            Check(
                "leading directions",
                "matching brings directions of large singular values together, twice as much as "
                "the others",
                2 * trailing - leading,
                source=_SOURCE,
            ),
            Check(
                "distance",
                "the distance shrinks by less than a third, while the barrier falls by half",
                max(2 / 3 - self.shrinkage, after - before / 2),
                source=_SOURCE,
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """Overlaps by layer, and the barriers."""
        layers = [float(k + 1) for k in range(self.overlaps.shape[1])]
        mean = self.overlaps.mean(0)
        shown = [("leading", 1, "teal"), ("others", 2, "amber")]
        series = [
            Series(f"{name}, {when}", layers, mean[:, kind, k].tolist(), tone, dash=5.0 * (1 - k))
            for name, kind, tone in shown
            for k, when in enumerate(("before", "after"))
        ]
        left = chart("Directions that meet", Axis("layer"), Axis("overlap"), series)
        ts = torch.linspace(0, 1, self.settings.points).tolist()
        lines = [
            Series(name, ts, self.losses[:, k].mean(0).tolist(), tone, dots=False)
            for k, (name, tone) in enumerate((("as trained", "red"), ("matched", "teal")))
        ]
        right = chart("The line between", Axis("t"), Axis("test loss"), lines)
        return {"directions": beside("Singular directions and weight matching", left, right)}

    def __str__(self) -> str:
        mean, apart = self.overlaps.mean(0), self.distances.mean(0)
        rows = [
            [str(k + 1), *(f"{v:.3f}" for v in mean[k].flatten().tolist()),
             *(f"{v:.2f}" for v in apart[k].tolist())]
            for k in range(len(mean))
        ]  # fmt: skip
        kinds = ("all", "leading", "others", "distance")
        return table(("layer", *(f"{k} {w}" for k in kinds for w in ("before", "after"))), rows)


def perform(bench: Bench, settings: Settings) -> Directions:
    """A step for each training, and one for each pair."""
    parts = []
    for pair in range(settings.pairs):
        bench.tell("pairs", pair, settings.pairs)
        parts.append(bench.step(f"pair-{pair}", partial(_pair, bench, settings, pair)))
    return Directions(settings, **{k: torch.stack([p[k] for p in parts]) for k in parts[0]})


def _pair(bench: Bench, settings: Settings, pair: int) -> Params:
    task = perceptron_task(settings.data, settings.widths, settings.samples, settings.tests)
    a, b = (
        task.trained(bench, bench.seed + 2 * pair + k, epochs=settings.epochs) for k in range(2)
    )
    symmetry = permutations(task)
    fit = align(b, to=a, symmetry=symmetry, seed=bench.seed)
    found = singular_directions(
        a, b, symmetry=symmetry, element=fit.element, threshold=settings.threshold
    )
    loss = task.loss(test=True)
    ts = [k / (settings.points - 1) for k in range(settings.points)]
    lines = [[one.loss for one in loss.along(Line(a, end), ts)] for end in (b, fit.params)]
    planted = symmetry.sample(bench.seed)
    wide = {n: t.double() for n, t in a.items()}
    undone = singular_directions(
        wide, symmetry.act(planted, wide), symmetry=symmetry, element=~planted
    )
    return {**_tensors(found), "planted": _miss(undone), "losses": torch.tensor(lines)}


def _tensors(found: SingularDirections) -> Params:
    weights = found.weights.values()
    kinds = [[one.overlap, one.leading, one.trailing] for one in weights]
    return {
        "overlaps": torch.tensor(kinds),
        "distances": torch.tensor([one.distance for one in weights]),
        "spread": torch.tensor([one.spread for one in weights], dtype=torch.float64),
    }


def _miss(found: SingularDirections) -> Tensor:
    return torch.tensor(
        max(abs(1 - one.overlap[1]) for one in found.weights.values()), dtype=torch.float64
    )


experiment = Experiment(
    "methods.directions",
    "Weight matching brings the directions of large singular values together",
    _SOURCE,
    {
        Scale.SMOKE: Settings("digits", (16,), 300, 100, 1, 1, points=3, headline=False),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(
            widths=(512, 512, 512), samples=60000, tests=10000, epochs=20, pairs=3, points=25
        ),
    },
    perform,
    ("The source trains VGG and ResNet on CIFAR-10 and ImageNet too; perceptrons are ours.",),
)
"""The distance hardly shrinks, and the barrier falls all the same."""

METHOD = Method(
    "Singular directions of matched weights",
    _SOURCE,
    "`isthmus.singular_directions`",
    "permutations turn singular vectors and keep singular values; matching aligns directions of "
    "large singular values and hardly shrinks the distance",
    experiment,
)
