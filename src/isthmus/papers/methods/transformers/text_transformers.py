"""Text transformers: permutations by correlations, part by part (Verma and Elbayad)."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from isthmus.algebra import Space, Symmetry
from isthmus.algebra.groups import Motion
from isthmus.alignment import ActivationMatching, Statistic, align
from isthmus.alignment.gauged import gauged_distance
from isthmus.discovery import discover, verify
from isthmus.ground import Params, double
from isthmus.landscape import Line
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.methods.connectivity.ways import Ways, along
from isthmus.papers.methods.transformers.networks import masked_text
from isthmus.papers.tasks import Task

VERMA = "Verma and Elbayad 2024"
PARTS = ("feed-forward", "and heads", "and stream")
NAMES = ("as they are", *PARTS, "whole group")


@dataclass(frozen=True)
class Settings:
    """Two masked language models on a text.

    Attributes:
        text: Name of the data set.
        width: Of the stream; so ``layers``.
        context: Characters in a window.
        windows: Training windows; so ``tests``.
        epochs: Of each training, with Adam at a rate of 0.002.
        seen: Training windows on which units are compared.
        points: On every line.
    """

    text: str = "tinyshakespeare"
    width: int = 32
    layers: int = 2
    context: int = 32
    windows: int = 6000
    tests: int = 300
    epochs: int = 6
    seen: int = 256
    points: int = 11

    @property
    def task(self) -> Task:
        """The network and its data."""
        task = masked_text(self.text, self.context, self.width, self.layers)
        return task.fewer(self.windows, self.tests)


@dataclass(frozen=True)
class TextTransformers(Ways):
    """Losses on the lines to the second model, permuted part by part.

    Attributes:
        settings: What was run.
        off: The relative error of `verify`; how far a model is from itself, relative, after random
            permutations of all three parts were undone by correlations. In float64.
    """

    title = "Two masked language models: the line, and what is permuted"

    settings: Settings
    off: Tensor

    def arrays(self) -> Params:
        """All of it."""
        return {**super().arrays(), "off": self.off}

    def check(self) -> list[Check]:
        """Permutations are exact and found again; they lower barriers, and leave some."""
        checks = [
            Check(
                "exact",
                "elements of the group leave the model's function alone (relative error)",
                float(self.off[0]),
                1e-9,
                source=VERMA,
            ),
            Check(
                "planted",
                "permuted units, heads and stream are found again by correlations (relative)",
                float(self.off[1]),
                1e-9,
                source=VERMA,
            ),
        ]
        return checks if self.settings.epochs < 3 else [*checks, *self._worth()]

    def _worth(self) -> list[Check]:
        heights = [self.height(name) for name in NAMES]
        steps = [after / before for before, after in itertools.pairwise(heights[:4])]
        left = heights[3] / heights[0]
        return [
            Check(
                "lower",
                "all three together lower the barrier",
                left,
                1.0,
                source=VERMA,
            ),
            Check(
                "a quarter",
                "by a quarter at least",
                left,
                0.75,
                finding=_MORE if heights[4] / heights[0] > 0.75 else "",
            ),
            Check("not zero", "and more than a tenth", 0.1 - left, source=VERMA),
            Check(
                "part by part",
                "no part that is added raises the barrier by more than a tenth",
                max(steps),
                1.1,
                source=VERMA,
            ),
        ]

    def __str__(self) -> str:
        rows = [
            (way, f"{self.height(way):.4f}", f"{float(row[0].max()):.4f}")
            for way, row in self.losses.items()
        ]
        return table(("way", "barrier", "highest loss"), rows)

    @property
    def measured(self) -> str:
        """The barriers."""
        heights = ", ".join(f"{name} {self.height(name):.3f}" for name in NAMES)
        s = self.settings
        return (
            f"masked language models of {s.layers} layers and width {s.width} on {s.windows} "
            f"windows of {s.text}: barrier of the test loss {heights}"
        )


_MORE = (
    "nor does the whole group by the same activations, which contains these permutations: more "
    "than order is left"
)


def perform(bench: Bench, settings: Settings) -> TextTransformers:
    """Two trainings, and a step for each part."""
    task = settings.task
    a, b = (task.trained(bench, bench.seed + k, epochs=settings.epochs, lr=2e-3) for k in range(2))
    symmetry = discover(task.fresh(), task.x[:1])
    off = bench.step("laws", lambda: {"off": _laws(bench, settings, task, symmetry, a)})["off"]
    losses = {}
    for k, name in enumerate(NAMES):
        bench.tell(name, k, len(NAMES))
        work = partial(_line, bench, settings, task, symmetry, (a, b), name)
        losses[name] = bench.step(name.replace(" ", "-"), work)["losses"]
    return TextTransformers(losses, settings, off)


def part_of(symmetry: Symmetry, space: Space) -> str | None:
    """Which of the parts permutes a space; None where it holds no permutations."""
    if Motion.SWAP not in space.group.motions:
        return None
    outer = {name for other in symmetry.spaces.values() for name in other.over}
    if space.over or space.name in outer:
        return PARTS[1]
    return PARTS[0] if space.name.endswith(".up") else PARTS[2]


def permutations(symmetry: Symmetry, last: str) -> Symmetry:
    """Those of all parts up to the ``last``."""
    parts = PARTS[: PARTS.index(last) + 1]
    chosen = symmetry.restrict(lambda space: part_of(symmetry, space) in parts)
    return chosen.restrict([Motion.SWAP])


def _matching(settings: Settings, task: Task) -> ActivationMatching:
    batches = list(task.loss(settings.seen, batch=64).batches)
    return ActivationMatching(task.fresh(), batches, Statistic.CORRELATION)


def _line(
    bench: Bench,
    settings: Settings,
    task: Task,
    symmetry: Symmetry,
    pair: tuple[Params, Params],
    name: str,
) -> Params:
    """Losses on the line to the second model, moved as the name says."""
    a, moved = pair
    if name != NAMES[0]:
        group = permutations(symmetry, name) if name in PARTS else symmetry
        method = _matching(settings, task)
        moved = align(moved, to=a, symmetry=group, method=method, seed=bench.seed).params
    found = along(task.loss(test=True), {name: Line(a, moved)}, settings.points)[name]
    return {"losses": found[:1]}  # what is not asked for would count as mistaken


def _laws(
    bench: Bench, settings: Settings, task: Task, symmetry: Symmetry, params: Params
) -> Tensor:
    exact = verify(symmetry, task.fresh(), task.x[:2], samples=3, seed=bench.seed)
    group, whole = permutations(symmetry, PARTS[-1]), double(params)
    moved = group.act(group.sample(bench.seed), whole)
    fit = align(moved, to=whole, symmetry=group, method=_matching(settings, task))
    again = gauged_distance(group, whole, fit.params) / gauged_distance(group, whole, moved)
    return torch.tensor([float(exact.evidence["relative_error"]), again])


text_transformers = Experiment(
    "methods.text_transformers",
    "Two masked language models: what permutations of each part take off the barrier",
    VERMA,
    {
        Scale.SMOKE: Settings("sentences", 16, 1, 16, 300, 20, epochs=1, seen=64, points=3),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(
            width=128, layers=4, windows=30000, tests=1000, epochs=20, seen=2000, points=25
        ),
    },
    perform,
    (
        "The source merges five BERT models of the same size; ours have characters for tokens.",
        "Heads are matched as blocks, and units within them; the group has GL of each head there.",
    ),
)
"""Lower barriers, and not none."""
