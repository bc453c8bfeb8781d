"""Sublevel sets: pairs of networks joined by paths that are nowhere above the worse of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from isthmus.alignment import align
from isthmus.discovery import discover
from isthmus.ground import Disconnected, Params
from isthmus.landscape import Line, Loss, barrier, dropout_stable_path, sublevel_path
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, chart
from isthmus.papers.methods.method import Measured
from isthmus.papers.methods.theory.linear_pairs import linear_pairs
from isthmus.papers.tasks import Task

FREEMAN = "Freeman and Bruna 2017, ICLR"
NGUYEN = "Nguyen 2019, ICML"
SOURCE = f"{FREEMAN}; {NGUYEN}; Nguyen, Bréchet and Mondelli 2021"
WAYS = ("line", "aligned line", "through dropped halves", "refitted readers")


@dataclass(frozen=True)
class Settings:
    """Pairs of networks on few samples.

    Attributes:
        inputs: Of all networks.
        outputs: Of the linear ones; the ReLU networks have one.
        samples: N.
        widths: Of the ReLU networks' hidden layer.
        pairs: At each width, and of linear networks.
        epochs: Of the first and of the second network of a pair, so that they differ in loss.
        room: A pair counts as joined where the path is above the worse end by less than this share
            of the mean square of the targets.
        decay: λ of the linear networks with weight decay.
        headline: Whether the pairs are enough for claims about shares of them.
    """

    inputs: int = 3
    outputs: int = 2
    samples: int = 16
    widths: tuple[int, ...] = (4, 8, 16, 24, 32, 48, 64)
    pairs: int = 8
    epochs: tuple[int, int] = (60, 300)
    room: float = 0.01
    decay: float = 0.05
    headline: bool = True

    @property
    def enough(self) -> int:
        """2N, at which the theorem speaks."""
        return 2 * self.samples


@dataclass(frozen=True)
class Joined(Measured):
    """How many pairs are joined, by way and width.

    Attributes:
        settings: What was run.
        above: ``(widths, 4, pairs)``: by how much paths of `WAYS` rise above the worse end, over
            the mean square of the targets; infinite where there is no path.
        linear: ``(2, pairs)``: the same of linear networks, without and with weight decay.
        tight: By how many of the pairs of minima of linear networks as narrow as the rank are
            joined as they are: of opposite signs of the determinant, and the same one unit wider.
    """

    settings: Settings
    above: Tensor = field(metadata={"json": False})
    linear: Tensor
    tight: Tensor

    def arrays(self) -> Params:
        """All rises; those without a path as -1, which no path has."""
        gone = torch.where(self.above.isfinite(), self.above, -torch.ones_like(self.above))
        return {"above": gone, "linear": self.linear, "tight": self.tight}

    @property
    def shares(self) -> Tensor:
        """``(widths, 4)``: of the pairs that are joined."""
        return (self.above <= self.settings.room).double().mean(2)

    @property
    def measured(self) -> str:
        """In one line."""
        widths = self.settings.widths
        wide = widths.index(self.settings.enough)
        here = ", ".join(
            f"{name} {share:.0%}"
            for name, share in zip(WAYS, self.shares[wide].tolist(), strict=True)
        )
        return (
            f"{self.settings.samples} samples, width {self.settings.enough}: pairs joined below "
            f"the worse end: {here} (all from width {self._first} on, fewer by any way below); "
            f"linear networks: all, with and without weight decay (rise at most "
            f"{float(self.linear.max()):.0e})"
        )

    @property
    def _first(self) -> int:
        """The least width at which refitted readers join every pair."""
        joined = [
            width
            for width, share in zip(self.settings.widths, self.shares[:, 3].tolist(), strict=True)
            if share == 1
        ]
        return min(joined, default=0)

    def check(self) -> list[Check]:
        """All of it is theorem, but for what dropping halves does."""
        plain, decayed = self.linear.amax(1).tolist()
        return [
            Check(
                "linear",
                "random pairs of linear networks are joined nowhere above the worse one",
                plain,
                1e-9,
                source=FREEMAN,
            ),
            Check(
                "linear, weight decay",
                "so they are where weights decay",
                decayed,
                1e-9,
                source=FREEMAN,
            ),
            Check(
                "narrow",
                "as narrow as the rank, minima whose determinants differ in sign are not joined",
                float(self.tight[0]),
                source=FREEMAN,
            ),
            Check(
                "one unit more",
                "with one unit more they are",
                1 - float(self.tight[1]),
                source=FREEMAN,
            ),
            *self._wide(),
        ]

    def _wide(self) -> list[Check]:
        enough = [width >= self.settings.enough for width in self.settings.widths]
        shares = self.shares[torch.tensor(enough)]
        rise = self.above[torch.tensor(enough), 3].max()
        proved = Check(
            "wide",
            f"from width 2N = {self.settings.enough} on all pairs of ReLU networks are joined "
            "nowhere above the worse one",
            float(rise),
            1e-9,
            source=NGUYEN,
        )
        if not self.settings.headline:
            return [proved]
        narrow = self.shares[0]
        return [
            proved,
            Check(
                "not by the line",
                "a straight line joins fewer of them",
                float(shares[:, 0].mean() - shares[:, 3].mean()) + 0.1,
                source=NGUYEN,
            ),
            Check(
                "not narrow",
                "in the narrowest networks no way joins all pairs",
                float(narrow.max()) - 0.999,
                finding="pairs of so few are sometimes near each other",
                source="sublevel sets of narrow networks need not be connected",
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """Shares by width."""
        widths = [float(w) for w in self.settings.widths]
        curves = [
            Series(name, widths, self.shares[:, k].tolist(), tone)
            for k, (name, tone) in enumerate(
                zip(WAYS, ("red", "blue", "amber", "teal"), strict=True)
            )
        ]
        title = f"Joined below the worse end: {self.settings.samples} samples"
        return {
            "sublevel": chart(
                title, Axis("hidden units", log=True), Axis("share of the pairs"), curves
            )
        }

    def __str__(self) -> str:
        rows = [
            [str(width), *(f"{share:.0%}" for share in row)]
            for width, row in zip(self.settings.widths, self.shares.tolist(), strict=True)
        ]
        return table(("width", *WAYS), rows)


def perform(bench: Bench, settings: Settings) -> Joined:
    """A step for each width, and one for linear networks."""
    found = []
    for k, width in enumerate(settings.widths):
        bench.tell(f"width {width}", k, len(settings.widths))
        work = partial(_by_width, bench, settings, width)
        found.append(bench.step(f"width-{width}", work)["above"])
    linear = bench.step("linear", partial(_linear, settings, bench.seed))
    return Joined(settings, torch.stack(found), **linear)


def _linear(settings: Settings, seed: int) -> Params:
    return linear_pairs(
        settings.inputs, settings.outputs, settings.samples, settings.pairs, settings.decay, seed
    )


def _relu(inputs: int, width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, 1)).double()


def _by_width(bench: Bench, settings: Settings, width: int) -> Params:
    """Rises above the worse end, ``(4, pairs)``."""
    generator = torch.Generator().manual_seed(bench.seed)
    x = torch.randn(settings.samples, settings.inputs, generator=generator).double()
    y = torch.randn(settings.samples, 1, generator=generator).double()
    build = partial(_relu, settings.inputs, width)
    task = Task("samples", build, x, y, x, y, criterion=mse_loss)
    loss, symmetry = Loss(build(), [(x, y)], mse_loss, metrics={}), discover(build(), x[:2])
    scale, rows = float(y.square().mean()), []
    for pair in range(settings.pairs):
        a, b = (
            task.trained(
                bench, 1000 * bench.seed + 2 * pair + k, epochs=epochs, batch=len(x), lr=0.02,
                name=f"trained-{width}-{pair}-{k}",
            )
            for k, epochs in enumerate(settings.epochs)
        )  # fmt: skip
        worse = max(loss(a), loss(b))
        moved = align(b, to=a, symmetry=symmetry).params
        highest = [
            max(barrier(loss, Line(a, b)).losses),
            max(barrier(loss, Line(a, moved)).losses),
            dropout_stable_path(symmetry, a, b, loss).highest,
            _refitted(lambda a=a, b=b: sublevel_path(symmetry, a, b, loss).highest),  # type: ignore[misc]
        ]
        rows.append([(most - worse) / scale for most in highest])
    return {"above": torch.tensor(rows, dtype=torch.float64).T.contiguous()}


def _refitted(work: Callable[[], float]) -> float:
    try:
        return work()
    except Disconnected:
        return torch.inf


sublevel = Experiment(
    "methods.sublevel",
    "Sublevel sets: joined nowhere above the worse end",
    SOURCE,
    {
        Scale.SMOKE: Settings(2, 2, 6, (2, 12, 16), 2, (10, 40), headline=False),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(
            samples=64, widths=(8, 16, 32, 64, 96, 128, 192, 256), pairs=30, epochs=(100, 1000)
        ),
    },
    perform,
    (
        (
            "The theorem holds from N + 1 units on (Nguyen 2021, as noted); what is built here is "
            "the older argument, which needs 2N, for one hidden layer."
        ),
        "Targets are noise: that is where few units do not do.",
        "With weight decay the path is reconstructed (module decay).",
    ),
)
"""Shares of pairs that are joined, by way and width."""
