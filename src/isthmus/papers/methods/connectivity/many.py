"""Many networks at once: one universe, cycles that close, and the mean of all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from isthmus.algebra import Element
from isthmus.alignment import (
    LossDescent,
    MeanDescent,
    Pairwise,
    Star,
    Strategy,
    Universe,
    align_all,
)
from isthmus.ground import Params, double
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, chart
from isthmus.papers.methods.connectivity.ways import TONES, Networks, ordered
from isthmus.papers.methods.method import Measured, Method

AINSWORTH = "Ainsworth, Hayase and Srinivasa 2023 (Git Re-Basin), ICLR"
CRISOSTOMI = "Crisostomi et al. 2024 (C²M³), NeurIPS"
NAMES = ("as they are", "star", "universe", "by the loss")


@dataclass(frozen=True)
class Settings(Networks):
    """Networks whose mean is taken.

    Attributes:
        models: How many at most.
        descent: Steps of the descent of the loss, for each network.
    """

    hidden: tuple[int, ...] = (128, 128)
    models: int = 5
    descent: int = 60


@dataclass(frozen=True)
class Many(Measured):
    """What the means of more and more networks lose.

    Attributes:
        settings: What was run.
        losses: By strategy, the test loss of the mean of 2, 3, ... networks.
        own: The mean of the networks' own test losses, of 2, 3, ...
        cycles: ``‖c·x - x‖ / ‖x‖`` where c goes round three networks: in the universe, and where
            pairs are aligned by themselves; the largest.
    """

    settings: Settings
    losses: Mapping[str, Tensor] = field(metadata={"json": False})
    own: Tensor = field(metadata={"json": False})
    cycles: Tensor

    def arrays(self) -> Params:
        """All of it."""
        return {**self.losses, "own": self.own, "cycles": self.cycles}

    def above(self, name: str) -> float:
        """How far the mean of all networks is above their own mean loss."""
        return float(self.losses[name][-1] - self.own[-1])

    def check(self) -> list[Check]:
        """Cycles close; the mean of all is better in the universe than without."""
        claim = "in the universe, going round three networks leads back to where one began"
        checks = [Check("cycles", claim, float(self.cycles[0]), 1e-12, source=CRISOSTOMI)]
        if not self.settings.fashion:
            return checks
        claim = "pairs that are aligned by themselves do not close (by one part in a hundred)"
        checks.append(Check("pairs", claim, 0.01 - float(self.cycles[1]), source=CRISOSTOMI))
        share = self.above("universe") / self.above("as they are")
        claim = "in the universe the mean of all loses less than half of what it loses as they are"
        checks.append(Check("mean", claim, share, 0.5, source=AINSWORTH))
        gain = self.above("by the loss") - self.above("universe")
        return [*checks, Check("descent", "the descent of the loss lowers that", gain)]

    @property
    def measured(self) -> str:
        """Losses of the mean of all."""
        above = ", ".join(f"{name} {self.above(name):.3f}" for name in self.losses)
        return (
            f"{self.settings}: the mean of {self.settings.models} is above their own mean test "
            f"loss by: {above}; cycles of pairs are open by {float(self.cycles[1]):.2f}, in the "
            f"universe by {float(self.cycles[0]):.0e}"
        )

    def draw(self) -> Mapping[str, Picture]:
        """Losses by the number of networks."""
        counts = list(range(2, self.settings.models + 1))
        rows = {**self.losses, "their own": self.own}
        series = [
            Series(name, counts, row.tolist(), tone)
            for (name, row), tone in zip(rows.items(), TONES, strict=False)
        ]
        axes = Axis("networks in the mean"), Axis("test loss", log=True)
        return {"many": chart("The mean of many networks", *axes, series)}

    def __str__(self) -> str:
        counts = range(2, self.settings.models + 1)
        rows = [
            (name, *(f"{float(v):.4f}" for v in row))
            for name, row in {**self.losses, "their own": self.own}.items()
        ]
        return table(("", *(f"{k} networks" for k in counts)), rows)


def perform(bench: Bench, settings: Settings) -> Many:
    """The trainings, a step for the cycles, and one for each number of networks."""
    models = settings.trained(bench, settings.models)
    task, symmetry = settings.task(), settings.symmetry()
    test, loss = task.loss(test=True), task.loss(batch=128)
    descent = MeanDescent(LossDescent(loss, held=task.loss(1000), steps=settings.descent), rounds=1)

    def cycles() -> Params:
        some = [double(one) for one in models[:3]]
        pair: tuple[Strategy, ...] = (Universe(), Pairwise())
        found = [
            align_all(some, symmetry=symmetry, strategy=strategy, seed=bench.seed)
            for strategy in pair
        ]
        rounds = [one.between(2, 0) @ one.between(1, 2) @ one.between(0, 1) for one in found]
        gaps = [_open(cycle, some[0]) for cycle in rounds]
        return {"cycles": torch.tensor(gaps, dtype=torch.float64)}

    def means(count: int) -> Params:
        some = models[:count]
        found = {"as they are": _mean(some)}
        strategies: tuple[Strategy, ...] = (Star(), Universe(), descent)
        for name, strategy in zip(NAMES[1:], strategies, strict=True):
            found[name] = align_all(
                some, symmetry=symmetry, strategy=strategy, seed=bench.seed
            ).mean
        rows = {name: torch.tensor(test(one)).double() for name, one in found.items()}
        return {**rows, "own": torch.tensor([test(one) for one in some]).double().mean()}

    closed = bench.step("cycles", cycles)["cycles"]
    counts = range(2, settings.models + 1)
    parts = [bench.step(f"means-{k}", partial(means, k)) for k in counts]
    rows = {name: torch.stack([part[name] for part in parts]) for name in (*NAMES, "own")}
    return Many(settings, ordered(rows, NAMES), rows["own"], closed)


def _open(cycle: Element, start: Params) -> float:
    """How far a cycle moves a network, relative."""
    moved = cycle.symmetry.act(cycle, start)
    gap = sum(float((moved[name] - tensor).square().sum()) for name, tensor in start.items())
    return math.sqrt(gap / sum(float(tensor.square().sum()) for tensor in start.values()))


def _mean(models: list[Params]) -> Params:
    return {name: torch.stack([one[name] for one in models]).mean(0) for name in models[0]}


many = Experiment(
    "methods.many",
    "The mean of many networks in common coordinates",
    f"{AINSWORTH}; {CRISOSTOMI}",
    {
        Scale.SMOKE: Settings.small(models=3, descent=10),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(
            hidden=(512, 512), samples=60000, tests=10000, epochs=20, models=20, descent=500
        ),
    },
    perform,
    ("Here the whole group moves the networks: permutations and positive scales.",),
)
"""By construction, what is matched in one universe is consistent."""

METHODS: tuple[Method, ...] = (
    Method(
        "MergeMany",
        AINSWORTH,
        "`isthmus.align_all`, then `.mean`; `isthmus.merge` with a symmetry; `isthmus merge`",
        "Reports a lower test loss for the merge of several networks than for their plain mean",
        many,
    ),
    Method(
        "Cycle-consistent matching",
        CRISOSTOMI,
        "`isthmus.align_all` with `Universe`",
        "Cycles close by construction; reports better merges of many networks than by pairs",
        many,
    ),
)
"""What is measured here."""
