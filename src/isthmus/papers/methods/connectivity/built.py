"""Paths that are built: through dropped networks, over replicated and swapped units."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from isthmus.ground import Params, double
from isthmus.landscape import (
    AbstractPath,
    Line,
    dropout_stable_path,
    null_path,
    replicate_path,
    swap_path,
    transfer_path,
)
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.methods.connectivity.ways import Networks, Ways, along, ordered
from isthmus.papers.methods.method import Method

KUDITIPUDI = "Kuditipudi et al. 2019, NeurIPS"
SIMSEK = "Şimşek et al. 2021, ICML"
BREA = "Brea et al. 2019"
NAMES = ("line", "dropout", "replicas", "swap", "line to the swapped", "swap over a spare")


_READER = "3.weight"
"""What reads the first hidden layer."""


@dataclass(frozen=True)
class Settings(Networks):
    """Two networks; the moves are made in the first hidden layer of the first of them."""

    hidden: tuple[int, ...] = (128, 128)
    points: int = 29


@dataclass(frozen=True)
class Built(Ways):
    """Losses on the paths, in float64.

    Attributes:
        settings: What was run.
        dropped: The bound of the path through dropped networks, and the largest loss found there:
            of the training samples by which it was made.
    """

    title = "Paths that are built"

    settings: Settings
    dropped: Tensor = field(metadata={"json": False})

    def arrays(self) -> Params:
        """All of it."""
        return {**super().arrays(), "dropped": self.dropped}

    def _drift(self, way: str) -> float:
        """How much the loss changes on a path, relative."""
        losses = self.losses[way][0]
        return float((losses.max() - losses.min()) / losses[0])

    def check(self) -> list[Check]:
        """What is exact, then what dropping half of the units costs."""
        swap = self.losses["swap"][0]
        bound, highest = self.dropped.tolist()
        checks = [
            Check(
                "replicas",
                "to a copy of a unit, through dead units and back, the loss is constant",
                self._drift("replicas"),
                1e-9,
                source=SIMSEK,
            ),
            Check(
                "spare unit",
                "two units are exchanged over a dead one, and the loss is constant",
                self._drift("swap over a spare"),
                1e-9,
                source=SIMSEK,
            ),
            Check(
                "mirror",
                "on a swap of two units the loss at 1 - t is that at t",
                float((swap - swap.flip(0)).abs().max() / swap[0]),
                1e-9,
                source=BREA,
            ),
            Check(
                "bound",
                "no point through dropped networks is above the bound",
                highest / bound - 1,
                1e-9,
                source=KUDITIPUDI,
            ),
        ]
        if not self.settings.fashion:
            return checks
        share = self.height("dropout") / self.height("line")
        claim = "through dropped networks the barrier is below half of the line's"
        checks.append(Check("dropout", claim, share, 0.5, source=KUDITIPUDI))
        claim = "a swap of two units rises by less than a tenth of the barrier between seeds"
        share = self.height("swap") / self.height("line")
        return [*checks, Check("swap", claim, share, 0.1, source=BREA)]

    @property
    def measured(self) -> str:
        """The barriers, and how flat the flat paths are."""
        flat = max(self._drift("replicas"), self._drift("swap over a spare"))
        return (
            f"{self.settings}: barrier of the test loss through dropped networks "
            f"{self.height('dropout'):.3f}, on the line {self.height('line'):.3f}; on a swap of "
            f"two units {self.height('swap'):.1e}; replicas and swaps over a dead unit are flat to "
            f"{flat:.0e}"
        )


def perform(bench: Bench, settings: Settings) -> Built:
    """Two trainings, and one step for all paths."""
    a, b = map(double, settings.trained(bench, 2))
    task, symmetry = settings.task(), settings.symmetry()
    loss, test = (replace(one, dtype=torch.float64) for one in (
        task.loss(1000), task.loss(test=True)
    ))  # fmt: skip

    def work() -> Params:
        found = dropout_stable_path(symmetry, a, b, loss)
        space = next(iter(symmetry.spaces))
        dead = {**a, _READER: a[_READER].clone()}
        dead[_READER][:, 0] = 0  # nothing reads unit 0 any more
        other = null_path(symmetry, dead, space, [0], b)  # and it may be any unit of b,
        copy = replicate_path(symmetry, other.b, space, 1, 0)  # or half of unit 1
        back = transfer_path(symmetry, copy.end, space, 0, 1)
        swap = swap_path(symmetry, a, space, 1, 2)
        ways: dict[str, AbstractPath] = {
            "line": Line(a, b),
            "dropout": found.path,
            "replicas": other.then(copy).then(back),
            "swap": swap,
            "line to the swapped": Line(a, swap.end),
            "swap over a spare": swap_path(symmetry, dead, space, 1, 2, spare=0),
        }
        dropped = torch.tensor([found.bound, found.highest], dtype=torch.float64)
        return {**along(test, ways, settings.points), "dropped": dropped}

    found = bench.step("paths", work)
    return Built(ordered(found, NAMES), settings, found["dropped"])


built = Experiment(
    "methods.built",
    "Paths through dropped networks, over replicated and swapped units",
    f"{KUDITIPUDI}; {SIMSEK}; {BREA}",
    {
        Scale.SMOKE: Settings.small(points=15),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(hidden=(1024, 1024), samples=60000, tests=10000, epochs=20),
    },
    perform,
    ("Units 0, 1 and 2 of the first hidden layer are moved, whichever they are.",),
)
"""Every segment of these paths is known before the loss is looked at."""

METHODS: tuple[Method, ...] = (
    Method(
        "Dropout-stable paths",
        KUDITIPUDI,
        "`isthmus.dropout_stable_path`",
        "Networks that half of their units can be dropped from are joined by a path whose loss is "
        "at most what dropping costs",
        built,
    ),
    Method(
        "Null and replicated units",
        SIMSEK,
        "`isthmus.null_path`, `isthmus.replicate_path`",
        "One unit more than needed joins all copies of a minimum",
        built,
    ),
    Method(
        "Swap paths",
        BREA,
        "`isthmus.swap_path`",
        "Two units can be exchanged over a point where both are one; it is a saddle",
        built,
    ),
)
"""What is measured here."""
