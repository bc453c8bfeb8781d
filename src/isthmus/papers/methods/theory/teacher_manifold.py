"""The minima of students are known: which of them are joined by few straight pieces."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from isthmus.ground import Params
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, chart
from isthmus.papers.methods.method import Measured
from isthmus.papers.methods.theory.joining import Judge, centred, covering
from isthmus.papers.methods.theory.students import loss

SOURCE = "Lin, Li and Wu 2024"
_ZERO = 1e-12
"""A squared error below this is none: rounding."""


@dataclass(frozen=True)
class Settings:
    """Minima of students with one reader, drawn at random.

    Attributes:
        neurons: M, of the teacher.
        inputs: Of all networks.
        widths: m, of the students.
        draws: Pairs, and triples, whose directions are compared at each width.
        built: Pairs for which paths are built and losses computed.
        star: k, how many minima a centre is sought for.
    """

    neurons: int = 3
    inputs: int = 5
    widths: tuple[int, ...] = (3, 5, 8, 12, 20, 32, 48, 64, 96)
    draws: int = 4000
    built: int = 40
    star: int = 3


@dataclass(frozen=True)
class Manifold(Measured):
    """Shares of pairs that are joined, and losses on what joins them.

    Attributes:
        settings: What was run.
        pieces: ``(widths, 3)``: shares of pairs joined by two pieces, of sets joined through a
            centre, and of the built pairs joined by four pieces.
        worst: The largest loss at minima, on lines between minima that are compatible, and on
            paths of two and of four pieces.
        least: The largest loss on a line between minima that are not compatible: the least of all.
    """

    settings: Settings
    pieces: Tensor = field(metadata={"json": False})
    worst: Tensor
    least: float

    def arrays(self) -> Params:
        """All of it."""
        return {"pieces": self.pieces, "worst": self.worst}

    @property
    def bounds(self) -> Tensor:
        """``(widths, 2)``: of the theorems, for two pieces and for a centre."""
        m = self.settings.neurons
        rows = [
            [_bound(m, 2, width), _bound(m, self.settings.star, width)]
            for width in self.settings.widths
        ]
        return torch.tensor(rows, dtype=torch.float64)

    @property
    def measured(self) -> str:
        """In one line."""
        shown = int((self.bounds[:, 0] > 0.5).int().argmax())
        width, share = self.settings.widths[shown], self.pieces[shown]
        enough = 2 * self.settings.neurons - 1
        at = self.settings.widths.index(enough)
        return (
            f"teacher of {self.settings.neurons} neurons: at width {width} {float(share[0]):.1%} "
            f"of pairs of minima are joined by two pieces (theorem: at least "
            f"{float(self.bounds[shown, 0]):.1%}), {float(share[1]):.1%} of {self.settings.star} "
            f"through a centre; by four pieces {float(self.pieces[at, 2]):.0%} at width {enough}; "
            f"no loss on these paths above {float(self.worst.max()):.0e}"
        )

    def check(self) -> list[Check]:
        """Theorems, held against the explicit manifold."""
        names = ("minima", "lines", "two pieces", "four pieces")
        claims = (
            "every point of the manifold has no loss",
            "no loss between minima of which every unit is zero in one or of one direction in both",
            "no loss on the paths of two pieces through a third minimum",
            "no loss on the paths of four pieces",
        )
        zero = [
            Check(name, claim, float(worst), _ZERO, source=SOURCE)
            for name, claim, worst in zip(names, claims, self.worst, strict=True)
        ]
        short = max(0.0, *(self.bounds - self.pieces[:, :2]).amax(0).tolist())
        enough = 2 * self.settings.neurons - 1
        wide = torch.tensor([width >= enough for width in self.settings.widths])
        return [
            *zero,
            Check(
                "only these lines",
                "between any other two the line has a loss",
                1e-6 - self.least,
                source=f"{SOURCE}, Lemma 7",
            ),
            Check(
                "shares",
                "pairs joined by two pieces, and sets with a centre, are as many as the theorems "
                "say at least",
                short,
                3 * 0.5 / self.settings.draws**0.5,
                source=f"{SOURCE}, Theorem 8",
            ),
            Check(
                "width for four",
                f"from width 2M - 1 = {enough} on four pieces join every pair",
                1 - float(self.pieces[wide, 2].min()),
                source=SOURCE,
            ),
            Check(
                "too narrow for four",
                "with as few units as the teacher has they do not",
                float(self.pieces[0, 2]) - 0.999,
                source="units cannot be exchanged without a spare one",
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """Shares by width, with the bounds."""
        widths = [float(m) for m in self.settings.widths]
        names = ("two pieces", f"centre of {self.settings.star}", "four pieces")
        curves = [
            Series(name, widths, self.pieces[:, k].tolist(), tone)
            for k, (name, tone) in enumerate(zip(names, ("teal", "purple", "blue"), strict=True))
        ]
        bounds = [
            Series(f"bound, {name}", widths, self.bounds[:, k].tolist(), tone, dash=5, dots=False)
            for k, (name, tone) in enumerate(
                zip(("two", f"centre of {self.settings.star}"), ("soft", "grey"), strict=True)
            )
        ]
        title = f"Minima joined: teacher of {self.settings.neurons} neurons"
        return {
            "teacher_manifold": chart(
                title, Axis("width m", log=True), Axis("share"), [*curves, *bounds]
            )
        }

    def __str__(self) -> str:
        rows = [
            [str(width), *(f"{v:.3f}" for v in (two, low, star, below, four))]
            for width, (two, star, four), (low, below) in zip(
                self.settings.widths, self.pieces.tolist(), self.bounds.tolist(), strict=True
            )
        ]
        return table(("width", "two pieces", "bound", "centre", "bound", "four pieces"), rows)


def _bound(neurons: int, minima: int, width: int) -> float:
    """``1 - M ((M^k - 1) / M^k)^(m - kM)``, no less than 0."""
    chance = 1 - 1 / neurons**minima
    return max(0.0, 1 - neurons * math.pow(chance, width - minima * neurons))


def perform(bench: Bench, settings: Settings) -> Manifold:
    """A step for each width."""
    found = [
        bench.step(f"width-{width}", partial(_by_width, settings, width, bench.seed))
        for width in settings.widths
    ]
    pieces, worst, least = (torch.stack([one[n] for one in found]) for n in _FIGURES)
    return Manifold(settings, pieces, worst.amax(0), float(least.min()))


_FIGURES = ("pieces", "worst", "least")


def _by_width(settings: Settings, width: int, seed: int) -> Params:
    generator = torch.Generator().manual_seed(1000 * seed + width)
    m = settings.neurons
    drawn = torch.stack(
        [covering(m, width, settings.draws, generator) for _ in range(settings.star)]
    )
    shares = [centred(drawn[:2], m), centred(drawn, m)]
    seen = loss(settings.inputs, width, m, 100, seed)
    judge = Judge(m, settings.inputs, seen, generator)
    for pair in drawn[:2, : settings.built].unbind(1):
        judge.compare(*pair)
    four = judge.joined / settings.built
    return {
        "pieces": torch.tensor([*shares, four], dtype=torch.float64),
        "worst": torch.tensor(judge.worst, dtype=torch.float64),
        "least": torch.tensor(judge.least, dtype=torch.float64),
    }


teacher_manifold = Experiment(
    "methods.teacher_manifold",
    "Minima of teacher and student, joined by straight pieces",
    SOURCE,
    {
        Scale.SMOKE: Settings(2, 3, (2, 3, 8), 400, 6),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(
            4, 8, (4, 7, 12, 20, 32, 64, 128, 192), 20000, 100
        ),
    },
    perform,
    (
        "Readers are 1: a minimum is a sum of positive multiples of the teacher's neurons.",
        (
            "The theorem's law of random minima is reconstructed: directions of units independent "
            "and uniform, given that all occur."
        ),
    ),
)  # fmt: skip
"""Shares of minima joined by two and four pieces, and through a centre."""
