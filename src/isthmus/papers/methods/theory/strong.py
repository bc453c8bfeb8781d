"""Strong connectivity: one permutation of each network for all pairs, and for all of a training."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from isthmus.algebra import Symmetry
from isthmus.algebra.groups import Permutation
from isthmus.alignment import Pairwise, align, align_all
from isthmus.discovery import discover
from isthmus.ground import Params, params_of
from isthmus.landscape import Line, Loss, barrier
from isthmus.merging import Average, merge
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, beside, chart
from isthmus.papers.methods.method import Measured
from isthmus.papers.tasks import Task, image_perceptron

SOURCE = "Sharma, Kwok, Denton, Roy, Rolnick and Dziugaite 2024"
PAIRED = ("as they are", "each pair by itself", "all at once")
ALONG = ("as they are", "each by itself", "by the last")


@dataclass(frozen=True)
class Settings:
    """Networks from different seeds, watched while they train.

    Attributes:
        fashion: Whether on Fashion-MNIST; else on the digits.
        hidden: Widths.
        networks: How many.
        samples: To train on; so ``tests``.
        epochs: At which the networks are kept, the last at the end; 0 is the start.
        points: On every line.
        headline: Whether the training is long enough for the claims.
    """

    fashion: bool = True
    hidden: tuple[int, ...] = (128, 128)
    networks: int = 4
    samples: int = 5000
    tests: int = 2000
    epochs: tuple[int, ...] = (0, 1, 2, 4, 7, 10)
    points: int = 9
    headline: bool = True

    @property
    def task(self) -> Task:
        """The network with its data."""
        return image_perceptron(self.fashion, *self.hidden).fewer(self.samples, self.tests)


@dataclass(frozen=True)
class Strong(Measured):
    """Barriers of pairs by way, and along a training.

    Attributes:
        settings: What was run.
        pairs: ``(3, pairs)``: barriers, by the ways of `PAIRED`.
        along: ``(3, epochs)``: barriers between two networks at the same epoch, by `ALONG`.
        losses: Of one network, of the mean of all as they are, and of all at once.
        off: How far from the identity it is to go round three networks; how far the loss of an
            early network moved by the last's permutation is from its own, relative.
    """

    settings: Settings
    pairs: Tensor
    along: Tensor
    losses: Tensor
    off: Tensor = field(metadata={"json": False})

    def arrays(self) -> Params:
        """All of it."""
        return {n: getattr(self, n) for n in ("pairs", "along", "losses", "off")}

    @property
    def measured(self) -> str:
        """In one line."""
        plain, weak, strong = self.pairs.mean(1).tolist()
        early, half = self.along[:, 1], self.settings.epochs[1]
        own, mean, moved = self.losses.tolist()
        return (
            f"{self.settings.networks} networks: mean barrier of pairs {plain:.3f}, weakly "
            f"{weak:.3f}, strongly {strong:.3f}; loss of the mean of all {mean:.2f}, strongly "
            f"{moved:.2f} (of one {own:.2f}); after epoch {half} barrier {float(early[0]):.3f}, "
            f"by its own permutation {float(early[1]):.3f}, by that of the end "
            f"{float(early[2]):.3f}"
        )

    def check(self) -> list[Check]:
        """What is exact, then the claims."""
        exact = [
            Check(name, claim, float(off), 1e-9)
            for (name, claim), off in zip(_LAWS, self.off, strict=True)
        ]
        return [*exact, *(self._headline() if self.settings.headline else [])]

    def _headline(self) -> list[Check]:
        plain, weak, strong = self.pairs.mean(1).tolist()
        return [
            Check(
                "weak",
                "a permutation for each pair leaves less than half of the mean barrier",
                weak - plain / 2,
                source=SOURCE,
            ),
            Check(
                "strong",
                "one for each network, for all pairs at once, does so too",
                strong - plain / 2,
                source=SOURCE,
            ),
            Check(
                "harder",
                "strong connectivity asks for more than weak: its mean barrier is not lower",
                weak - strong,
                0.02 * plain,
                source=SOURCE,
            ),
            *self._trajectory(),
        ]

    def _trajectory(self) -> list[Check]:
        later = self.along[:, 1:]
        plain, last = later[0], later[2]
        return [
            Check(
                "trajectory",
                "from the first epoch on, the permutation found at the end leaves less than half "
                "of the barrier between networks of the same epoch",
                float((last - plain / 2).max()),
                finding="where the barrier itself is small, early, less than half of it is left to "
                "be removed",
                source=SOURCE,
            ),
            Check(
                "as good",
                "it is as good as one found at that epoch, to a tenth of the barrier",
                float(((last - later[1]) / plain).max()),
                0.1,
                finding="early networks are nearer to other permutations than those that training "
                "makes of them",
                source=SOURCE,
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """Barriers of pairs, and by epoch."""
        count = self.pairs.shape[1]
        tones = ("red", "blue", "teal")
        order = self.pairs[0].argsort()
        pairs = [
            Series(name, [float(k) for k in range(count)], row[order].tolist(), tone)
            for name, row, tone in zip(PAIRED, self.pairs, tones, strict=True)
        ]
        epochs = [float(e) for e in self.settings.epochs]
        along = [
            Series(name, epochs, row.tolist(), tone)
            for name, row, tone in zip(ALONG, self.along, tones, strict=True)
        ]
        panels = [
            chart("All pairs", Axis("pair", numbers=False), Axis("barrier"), pairs),
            chart("Along a training", Axis("epoch"), Axis("barrier"), along),
        ]
        return {"strong": beside("One permutation for each network", *panels)}

    def __str__(self) -> str:
        rows = [
            ["mean of pairs", *(f"{v:.4f}" for v in self.pairs.mean(1).tolist())],
            *(
                [f"epoch {epoch}", *(f"{v:.4f}" for v in self.along[:, k].tolist())]
                for k, epoch in enumerate(self.settings.epochs)
            ),
        ]
        return table(("barriers", "as they are", "by itself", "one for all"), rows)


_LAWS = (
    ("consistent", "strongly, going round any three networks leads back to where one began"),
    ("function", "an early network has its own loss after the permutation found at the end"),
)


def perform(bench: Bench, settings: Settings) -> Strong:
    """Trainings in legs from epoch to epoch, then a step for all that is measured."""
    kept = [_trajectory(bench, settings, number) for number in range(settings.networks)]
    found = bench.step("measured", lambda: _measure(settings, kept, bench.seed))
    return Strong(settings, **found)


def _trajectory(bench: Bench, settings: Settings, number: int) -> list[Params]:
    """One network at all epochs; every leg goes on where the last ended, with a new optimiser."""
    task = settings.task
    seed = settings.networks * bench.seed + number
    found = [params_of(task.fresh(seed))]
    for start, end in itertools.pairwise(settings.epochs):
        found.append(
            task.trained(
                bench,
                1000 * end + seed,
                epochs=end - start,
                start=found[-1],
                name=f"network-{number}-{end}",
            )
        )
    return found


def _measure(settings: Settings, kept: Sequence[Sequence[Params]], seed: int) -> Params:
    task = settings.task
    symmetry = discover(task.fresh(), task.x[:1]).restrict(Permutation)
    loss = task.loss(test=True)
    ends = [one[-1] for one in kept]
    weak = align_all(ends, symmetry=symmetry, strategy=Pairwise(), seed=seed)
    strong = align_all(ends, symmetry=symmetry, seed=seed)
    rows = []
    for i, j in itertools.combinations(range(len(ends)), 2):
        moved = symmetry.act(weak.between(j, i), ends[j])
        pairs = (ends[i], ends[j]), (ends[i], moved), (strong.params[i], strong.params[j])
        rows.append([barrier(loss, Line(a, b), settings.points).height for a, b in pairs])
    gone = [strong.between(i, j) for i, j in ((0, 1), (1, 2), (2, 0))]
    around = gone[2] @ gone[1] @ gone[0]
    back = symmetry.act(around, ends[0])
    off = math.sqrt(sum(float((back[n] - t).square().sum()) for n, t in ends[0].items()))
    means = [merge(some, Average()) for some in (ends, strong.params)]
    along, kept_off = _along(settings, symmetry, loss, kept[0], kept[1])
    return {
        "pairs": torch.tensor(rows, dtype=torch.float64).T.contiguous(),
        "along": along,
        "losses": torch.tensor([loss(ends[0]), *map(loss, means)], dtype=torch.float64),
        "off": torch.tensor([off, kept_off], dtype=torch.float64),
    }


def _along(
    settings: Settings, symmetry: Symmetry, loss: Loss, one: Sequence[Params], two: Sequence[Params]
) -> tuple[Tensor, float]:
    """Barriers at every epoch, and how far a moved network's loss is from its own."""
    last = align(two[-1], to=one[-1], symmetry=symmetry).element
    rows, off, exact = [], 0.0, replace(loss, dtype=torch.float64)
    for a, b in zip(one, two, strict=True):
        own, moved = align(b, to=a, symmetry=symmetry).params, symmetry.act(last, b)
        rows.append(
            [barrier(loss, Line(a, end), settings.points).height for end in (b, own, moved)]
        )
        off = max(off, abs(exact(moved) / exact(b) - 1))
    return torch.tensor(rows, dtype=torch.float64).T.contiguous(), off


strong = Experiment(
    "methods.strong",
    "Weak and strong connectivity, and one permutation for a whole training",
    SOURCE,
    {
        Scale.SMOKE: Settings(False, (16,), 3, 300, 200, (0, 1, 2), 5, headline=False),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(
            hidden=(512, 512), networks=6, samples=60000, tests=10000,
            epochs=(0, 1, 2, 4, 8, 15), points=25,
        ),
    },
    perform,
    (
        (
            "Only the source's abstract was at hand: networks and data are ours, and trajectories "
            "of pruning are left out."
        ),
        "At each epoch that is kept, the optimiser begins anew.",
    ),
)  # fmt: skip
"""One permutation for all pairs, and for all epochs."""
