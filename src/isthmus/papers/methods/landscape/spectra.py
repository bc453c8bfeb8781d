"""Singular values along a training, and the directions that connected models share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor

from isthmus.algebra.groups import Permutation
from isthmus.alignment import align
from isthmus.discovery import discover
from isthmus.ground import Params, params_of
from isthmus.landscape import Line, Loss, barrier, shared_directions
from isthmus.landscape import spectra as spectra_of
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, beside, chart
from isthmus.papers.methods.landscape.training import SMALL, Descent, Network
from isthmus.papers.methods.method import Measured, Method

_SOURCE = "Yunis et al. 2024"
_PAIRS = ("shared start", "independent, aligned", "independent")


@dataclass(frozen=True)
class Settings:
    """Trainings with more and more weight decay, and pairs of models without.

    Attributes:
        network: What is trained.
        epochs: Of each training.
        rate: The first step size; it falls to 0 in a line.
        decays: Of the weights, rising.
        shared: Steps that two models have in common.
        top: Directions that are compared in every layer.
        points: In time.
        trained: Whether claims on trained networks are checked.
    """

    network: Network = SMALL
    epochs: int = 8
    rate: float = 0.3
    decays: tuple[float, ...] = (0.0, 0.003, 0.01)
    shared: int = 40
    top: int = 5
    points: int = 8
    trained: bool = True


@dataclass(frozen=True)
class Directions(Measured):
    """Ranks in time, and what pairs have in common.

    Attributes:
        settings: What was run.
        ranks: ``(decays, points + 1)``: the mean effective rank of all layers over the largest it
            could have, from the start on.
        pairs: ``(3, 2)``: what is shared of the top directions, the mean of all layers, and the
            barrier of the training loss on the line.
        moved: How much singular values change as units are permuted, relative.
    """

    settings: Settings
    ranks: Tensor = field(metadata={"json": False})
    pairs: Tensor
    moved: float

    @property
    def measured(self) -> str:
        """Directions shared beside barriers, and ranks at the end."""
        words = [
            f"{name} {shared:.2f} (barrier {height:.3f})"
            for name, (shared, height) in zip(_PAIRS, self.pairs.tolist(), strict=True)
        ]
        ends = ", ".join(f"{value:.2f}" for value in self.ranks[:, -1].tolist())
        decays = ", ".join(f"{value:g}" for value in self.settings.decays)
        return (
            f"top {self.settings.top} directions shared: {'; '.join(words)}; effective rank of "
            f"the largest, at weight decay {decays}: {ends}"
        )

    def arrays(self) -> Params:
        """All of it."""
        return {"ranks": self.ranks, "pairs": self.pairs}

    def check(self) -> list[Check]:
        """Permutations keep spectra; connected pairs share directions; decay lowers ranks."""
        checks = [
            Check(
                "permuted",
                "singular values stay as units are permuted (relative)",
                self.moved,
                1e-9,
                source="orthogonal invariance",
            )
        ]
        if not self.settings.trained:
            return checks
        shared, ends = self.pairs[:, 0], self.ranks[:, -1]
        return [
            *checks,
            Check(
                "connected",
                "of the top directions, models that a low line joins share more than others",
                float(shared[2] - shared[0]),
                source=_SOURCE,
            ),
            Check(
                "aligned",
                "alignment lets independent models share more",
                float(shared[2] - shared[1]),
                source="ours",
            ),
            Check(
                "weight decay",
                "weight decay lowers the effective rank",
                float(ends[-1] - ends[0]),
                source=_SOURCE,
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """Ranks in time; barriers by what is shared."""
        epochs = [k * self.settings.epochs / self.settings.points for k in range(len(self.ranks.T))]
        tones = ("red", "amber", "teal", "blue")
        lines = [
            Series(f"decay {decay:g}", epochs, row.tolist(), tone)
            for decay, row, tone in zip(self.settings.decays, self.ranks, tones, strict=False)
        ]
        dots = [
            Series(name, [shared], [height], tone)
            for name, (shared, height), tone in zip(
                _PAIRS, self.pairs.tolist(), ("blue", "teal", "red"), strict=True
            )
        ]
        left = chart("Effective ranks", Axis("epochs"), Axis("of the largest"), lines, width=460)
        axes = Axis("top directions shared"), Axis("barrier")
        return {"spectra": beside("Singular values", left, chart("Pairs", *axes, dots, width=460))}

    def __str__(self) -> str:
        rows = [
            [name, f"{shared:.3f}", f"{height:.4f}"]
            for name, (shared, height) in zip(_PAIRS, self.pairs.tolist(), strict=True)
        ]
        ranks = [
            [f"{decay:g}", *(f"{value:.3f}" for value in row.tolist())]
            for decay, row in zip(self.settings.decays, self.ranks, strict=True)
        ]
        head = ("decay", *(str(k) for k in range(self.ranks.shape[1])))
        return table(("pair", "shared", "barrier"), rows) + "\n\n" + table(head, ranks)


def perform(bench: Bench, settings: Settings) -> Directions:
    """A step for ranks in time, and one for pairs."""
    ranks = bench.step("ranks", partial(_ranks, bench, settings))["ranks"]
    found = bench.step("pairs", partial(_pairs, bench, settings))
    return Directions(settings, ranks, found["pairs"], float(found["moved"]))


def _descent(settings: Settings, decay: float = 0.0) -> tuple[Descent, int]:
    task = settings.network.task()
    steps = settings.epochs * (len(task.x) // Descent.batch)
    optimiser = partial(torch.optim.SGD, weight_decay=decay)
    rate = settings.rate
    return Descent(task, lambda step: rate * (1 - step / steps), optimiser=optimiser), steps


def _ranks(bench: Bench, settings: Settings) -> Params:
    found = []
    for decay in settings.decays:
        train, steps = _descent(settings, decay)
        places = [steps * k // settings.points for k in range(settings.points + 1)]
        now = params_of(train.task.fresh(bench.seed))
        row = [_rank(now)]
        for begin, end in pairwise(places):
            now = train(now, bench.seed, begin, end)
            row.append(_rank(now))
        found.append(row)
    return {"ranks": torch.tensor(found, dtype=torch.float64)}


def _rank(params: Params) -> float:
    """The mean over the layers of the effective rank, each over the largest it could have."""
    found = spectra_of(params)
    shares = [rank / len(found.values[name]) for name, rank in found.effective_ranks.items()]
    return sum(shares) / len(shares)


def _pairs(bench: Bench, settings: Settings) -> Params:
    train, steps = _descent(settings)
    task, seeds = train.task, (bench.seed + 1, bench.seed + 2)
    early = train(params_of(task.fresh(bench.seed)), bench.seed, 0, settings.shared)
    shared = [train(early, seed, settings.shared, steps) for seed in seeds]
    a, b = (train(params_of(task.fresh(seed)), seed, 0, steps) for seed in seeds)
    symmetry = discover(task.fresh(), task.x[:1])
    near = align(b, to=a, symmetry=symmetry).params
    rows = [_pair(settings, task.loss(), *pair) for pair in (shared, (a, near), (a, b))]
    wide = {name: x.double() for name, x in b.items()}
    swaps = symmetry.restrict(Permutation)
    off = _apart(wide, swaps.act(swaps.sample(seed=bench.seed), wide))
    return {"pairs": torch.tensor(rows, dtype=torch.float64), "moved": torch.tensor(off)}


def _pair(settings: Settings, loss: Loss, a: Params, b: Params) -> tuple[float, float]:
    """What is shared, the mean of all layers, and the barrier."""
    shared = shared_directions(a, b, settings.top)
    return sum(shared.values()) / len(shared), barrier(loss, Line(a, b)).height


def _apart(a: Params, b: Params) -> float:
    """The largest difference of singular values, over the largest of its layer."""
    one, two = spectra_of(a).values, spectra_of(b).values
    return max(float((one[n] - two[n]).abs().max() / one[n][0]) for n in one)


spectra = Experiment(
    "methods.spectra",
    "Singular values along a training, and directions that models share",
    _SOURCE,
    {
        Scale.SMOKE: Settings(
            Network("digits", (16,), 320, 100),
            1,
            decays=(0.0, 0.1),
            shared=2,
            points=2,
            trained=False,
        ),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(
            Network(hidden=(512, 512), samples=None, tests=None), 40, shared=500, points=40
        ),
    },
    perform,
    ("The source was not read: what is checked is what is said of it. All settings are ours.",),
)
"""Models that are connected share directions; weight decay lowers ranks."""

METHOD: Method = Method(
    "Spectral dynamics",
    _SOURCE,
    "`isthmus.spectra`, `isthmus.shared_directions`",
    "Reported: linearly connected models share top singular directions, and weight decay leads to "
    "low rank.",
    spectra,
)
