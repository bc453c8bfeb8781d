"""Transformers: what each part of the group takes off the barrier between two small GPTs."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from isthmus.algebra import Symmetry
from isthmus.algebra.groups import Motion
from isthmus.alignment import ActivationMatching, LossDescent, Matcher, align
from isthmus.alignment.gauged import gauged_distance
from isthmus.discovery import discover, verify
from isthmus.ground import Params
from isthmus.landscape import Line
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.methods.connectivity.ways import Ways, along
from isthmus.papers.methods.method import Method
from isthmus.papers.tasks import GptSettings, Task

THEUS = "Theus et al. 2025, NeurIPS"
TRAN = "Tran et al. 2026, ICML"
PARTS = {
    "permutations": (Motion.SWAP,),
    "and rotations": (Motion.SWAP, Motion.FLIP, Motion.TURN),
    "whole group": tuple(Motion),
}
NAMES = ("as they are", *PARTS, "by activations", "by the loss")


@dataclass(frozen=True)
class Settings(GptSettings):
    """Two GPTs on a text.

    Attributes:
        descent: Steps of the descent of the loss.
        points: On every line.
    """

    descent: int = 150
    points: int = 11


@dataclass(frozen=True)
class Transformers(Ways):
    """Losses on the lines to the second GPT, moved by more and more of its group.

    Attributes:
        settings: What was run.
        exact: The relative error of `verify`, in float64.
        distances: Of the two, in the gauge of the symmetry, in the order of `NAMES`.
    """

    title = "Two small GPTs: the line, and what moves the second"

    settings: Settings
    exact: Tensor
    distances: Tensor = field(metadata={"json": False})

    def arrays(self) -> Params:
        """All of it."""
        return {**super().arrays(), "exact": self.exact, "distances": self.distances}

    def check(self) -> list[Check]:
        """The group is exact; larger groups come nearer; barriers fall."""
        apart = self.distances[: len(PARTS) + 1]
        checks = [
            Check(
                "exact",
                "elements of the whole group leave the GPT's function alone (relative error)",
                float(self.exact),
                1e-9,
                source=THEUS,
            ),
            Check(
                "nearer",
                "the larger the group, the nearer the second GPT comes",
                float((apart[1:] / apart[:-1]).max()) - 1,
                1e-9,
                source=TRAN,
            ),
        ]
        if self.settings.epochs < 3:
            return checks
        naive, swaps, whole = (
            self.height(name) for name in ("as they are", "permutations", "whole group")
        )
        claim = "permutations alone leave more than half of the barrier"
        checks.append(Check("permutations", claim, 0.5 - swaps / naive, source=TRAN))
        claim = "the whole group leaves less than permutations do"
        checks.append(Check("whole group", claim, whole / swaps, 0.9, source=THEUS))
        learned = self.height("by the loss") / naive
        claim = "found by the loss, the whole group leaves less than a quarter"
        return [*checks, Check("learned", claim, learned, 0.25, source=THEUS)]

    @property
    def measured(self) -> str:
        """What is left of the barrier."""
        heights = ", ".join(f"{name} {self.height(name):.2f}" for name in self.losses)
        s = self.settings
        return (
            f"GPTs of {s.blocks} blocks and width {s.width} on {s.windows} windows of "
            f"{s.text}: barrier of the test loss {heights}"
        )


def perform(bench: Bench, settings: Settings) -> Transformers:
    """Two trainings, and a step for each way."""
    task = settings.task
    a, b = (task.trained(bench, bench.seed + k, epochs=settings.epochs, lr=3e-3) for k in range(2))
    symmetry = discover(task.fresh(), task.x[:1])
    exact = verify(symmetry, task.fresh(), task.x[:2], samples=3, seed=bench.seed)
    parts = []
    for k, name in enumerate(NAMES):
        bench.tell(name, k, len(NAMES))
        work = partial(_moved, bench, settings, task, symmetry, (a, b), name)
        parts.append(bench.step(name.replace(" ", "-"), work))
    return Transformers(
        {name: part["losses"] for name, part in zip(NAMES, parts, strict=True)},
        settings,
        torch.tensor(float(exact.evidence["relative_error"])),
        torch.stack([part["distance"] for part in parts]),
    )


def _moved(
    bench: Bench,
    settings: Settings,
    task: Task,
    symmetry: Symmetry,
    pair: tuple[Params, Params],
    name: str,
) -> Params:
    """The losses on the line to the second GPT, moved as a name says, and how far it is then."""
    a, b = pair
    loss = task.loss(batch=32)
    seen = task.loss(256, batch=64)
    activations = ActivationMatching(task.fresh(), seen.batches)
    method: Matcher | None = None
    if name == "by the loss":
        method = LossDescent(loss, held=seen, start=activations, steps=settings.descent)
    if name == "by activations":
        method = activations
    motions = () if name == "as they are" else PARTS.get(name, tuple(Motion))
    group = symmetry.restrict(motions)
    fit = align(b, to=a, symmetry=group, method=method, seed=bench.seed)
    moved = b if name == "as they are" else fit.params
    losses = along(task.loss(test=True), {name: Line(a, moved)}, settings.points)[name]
    return {"losses": losses, "distance": torch.tensor(gauged_distance(symmetry, a, moved))}


transformers = Experiment(
    "methods.transformers",
    "Two small GPTs: what each part of the group takes off the barrier",
    f"{THEUS}; {TRAN}",
    {
        Scale.SMOKE: Settings("sentences", 8, 1, 8, 200, 20, epochs=1, descent=2, points=3),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(windows=30000, tests=1000, epochs=10, descent=2000, points=25),
    },
    perform,
    ("Parameters are interpolated as they are; Theus et al. interpolate the products of heads.",),
)
"""Permutations are not enough for attention."""

METHODS: tuple[Method, ...] = (
    Method(
        "Generalised linear mode connectivity of transformers",
        THEUS,
        "`isthmus.discover`, then `isthmus.align` with `WeightMatching` or `LossDescent`",
        "tinyshakespeare: barrier 2.02 as they are, 1.43 by activations, 0.34 by weights, 0.02 "
        "learned",
        transformers,
    ),
    Method(
        "Heads, then within heads",
        TRAN,
        "`isthmus.WeightMatching`, which matches heads by their circuits",
        "Of the barrier are left 7 to 12 % with the group of each head, 62 to 91 % without",
        transformers,
    ),
)
"""What is measured here."""
