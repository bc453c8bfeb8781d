"""Theorem 5.4: near a set of few dimensions its rate holds, up to a width; then the ambient one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from isthmus.ground import Params
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.ferbach2023.theorems.falls import WIDTH, Falls, missed, stacked
from isthmus.papers.ferbach2023.theorems.rates import cube, matching_cost
from isthmus.papers.figures import Axis, Picture, Series, chart
from isthmus.transport import Estimate, WidthRecursion, falling

_SOURCE = "Ferbach, Goujaud, Gidel and Dieuleveut 2024, Theorem 5.4"
_TONES = {"flat": "grey", "thin": "blue", "thick": "teal", "full": "red"}


@dataclass(frozen=True)
class Settings:
    """Rows uniform in a cube of D dimensions, of which all but k are only η thick.

    Attributes:
        widths: N.
        repetitions: Pairs of layers at each.
        near: k.
        ambient: D, the width of the layer before.
        thin: η of rows for which all widths are below η^-k.
        thick: η of rows for which widths are on both sides of η^-k.
    """

    widths: tuple[int, ...] = (8, 16, 32, 64, 128, 256, 512, 1024, 2048)
    repetitions: int = 6
    near: int = 3
    ambient: int = 8
    thin: float = 0.02
    thick: float = 0.25

    @property
    def turn(self) -> float:
        """``η^-k`` of the thick rows."""
        return float(self.thick**-self.near)

    def thickness(self) -> Mapping[str, float]:
        """Of all rows, by name."""
        return {"flat": 0.0, "thin": self.thin, "thick": self.thick, "full": 1.0}


@dataclass(frozen=True)
class Turn(Falls):
    """The mean squared error of the best permutation, by thickness."""

    settings: Settings

    @property
    def laws(self) -> Mapping[str, float]:
        """2/k below the turn, 2/D above; the thick rows have both."""
        s = self.settings
        return {"flat": 2 / s.near, "thin": 2 / s.near, "full": 2 / s.ambient}

    @property
    def reconstructed(self) -> Tensor:
        """ε² for which the recursion asks for just these widths, constants 1: ``(widths,)``."""
        s = self.settings
        law = WidthRecursion(s.ambient, (1.0,), (1.0,), (float(s.near),), s.thick)
        return torch.tensor([law.error([n]) ** 2 for n in self.widths], dtype=torch.float64)

    def part(self, beyond: bool) -> Estimate:
        """The exponent of the thick rows at widths up to the turn, or from it on."""
        turn = self.settings.turn
        kept = [k for k, n in enumerate(self.widths) if (n >= turn if beyond else n <= turn)]
        return falling([self.widths[k] for k in kept], self.scores["thick"][kept])

    def spread(self, law: Tensor) -> float:
        """By which factor thick rows over a law change from width to width, at most."""
        ratio = self.mean("thick") / law
        return float(ratio.max() / ratio.min())

    def check(self) -> list[Check]:
        """Both rates, where they change, and that neither alone says it."""
        s, widths = self.settings, torch.tensor(self.widths, dtype=torch.float64)
        found = [self._rate(name, 0.2) for name in ("flat", "thin")]
        before, beyond, law = self.part(False), self.part(True), 2 / s.ambient
        both = self.spread(self.reconstructed)
        alone = min(self.spread(widths ** (-2 / d)) for d in (s.near, s.ambient))
        return [
            *found,
            self._rate("full", 0.3),
            Check(
                "ambient rate returns",
                f"from η^-k = {s.turn:.0f} units on, rows within η = {s.thick:g} fall like "
                f"N^(-2/D), D = {s.ambient} (measured {beyond:.2f} for {law:.2g})",
                missed(beyond, law) / law,
                0.4,
                source=_SOURCE,
            ),
            Check(
                "slower beyond",
                f"beyond the turn the exponent is smaller than before it ({before:.2f})",
                beyond.value - before.value,
                source=_SOURCE,
            ),
            Check(
                "both rates",
                "the reconstructed law, with k below the turn and D above, is within one factor "
                f"of 2 of the error at all widths ({both:.2f})",
                both - 2,
                source="mathematics.md 2.4, reconstructed",
            ),
            Check(
                "not one alone",
                f"neither rate alone is as near ({alone:.2f})",
                both - alone,
                source=_SOURCE,
            ),
        ]

    def _rate(self, name: str, slack: float) -> Check:
        law, found = self.laws[name], self.exponent(name)
        thick = self.settings.thickness()[name]
        claim = f"rows within η = {thick:g} fall like N^-{law:.2f} (measured {found:.2f})"
        return Check(name, claim, missed(found, law) / law, slack, source=_SOURCE)

    def draw(self) -> Mapping[str, Picture]:
        """Errors by width; the reconstructed law through those of the thick rows."""
        s = self.settings
        curves = [
            self.curve(name, _TONES[name], f"η = {eta:g}") for name, eta in s.thickness().items()
        ]
        scale = float((self.mean("thick") / self.reconstructed).log().mean().exp())
        law = (scale * self.reconstructed).tolist()
        curves.append(Series("reconstructed", self.widths, law, "soft", dash=5, dots=False))
        title = f"{s.near} of {s.ambient} dimensions, the others η thick (turn at {s.turn:.0f})"
        error = Axis("error of the best permutation", log=True)
        return {"low_dimension": chart(title, WIDTH, error, curves, width=640)}


def perform(bench: Bench, settings: Settings) -> Turn:
    """A step for each thickness."""
    scores: Params = {}
    for name, thickness in settings.thickness().items():
        bench.tell(name, len(scores), 4)
        work = partial(_measured, settings, thickness, bench.seed)
        scores[name] = bench.step(name, work)["errors"]
    return Turn(settings.widths, scores, settings)


def _measured(settings: Settings, thickness: float, seed: int) -> Params:
    generator = torch.Generator().manual_seed(seed)
    sides = torch.full((settings.ambient,), thickness, dtype=torch.float64)
    sides[: settings.near] = 1.0

    def rows(count: int) -> Tensor:
        return cube(count, settings.ambient, generator) * sides

    errors = [
        [matching_cost(rows(n), rows(n)) for _ in range(settings.repetitions)]
        for n in settings.widths
    ]
    return {"errors": stacked(errors)}


low_dimension = Experiment(
    "ferbach2023.low_dimension",
    "Near k dimensions the rate is that of k, up to η^-k units",
    _SOURCE,
    {
        Scale.SMOKE: Settings((8, 16, 32, 64, 128, 256), 6),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings((8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192), 10),
    },
    perform,
    (
        (
            "The display of the theorem and its Assumption 8 were not at hand; both are "
            "reconstructed from a note (mathematics.md 2.4). Constants and logarithms are not "
            "known: the reconstructed law is compared up to one factor."
        ),
        "The set is a flat cube of k dimensions; the paper's need not be flat.",
    ),
)
"""Errors by width where rows lie within η of few dimensions, and where the ambient rate returns."""
