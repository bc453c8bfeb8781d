"""Figure 3: a map that depends on data (equation 6), what it keeps, and the curves that it makes.

Panel (a): how much of the outputs the map may lose, against their norm (Proposition 6.1). Panels
(b, c): the loss on the curve ``g(t)·w`` and on its chord. With the printed shapes there are fewer
samples than hidden units, so the map is exact on the data and the curve is flat to rounding; we add
panels with more samples, where it is not (mathematics.md 1.14).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from isthmus.ground import Params
from isthmus.papers.bench import Bench, Check, Experiment, Findings, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, beside, chart
from isthmus.papers.zhao2025.refitting import Settings, curves, nets

_SOURCE = "Zhao, Dehmamy, Walters and Yu 2025, Figure 3"
_PROPOSITION = "Proposition 6.1"


@dataclass(frozen=True)
class DataMap(Findings):
    """What came out.

    Attributes:
        settings: What was run.
        shapes: Inputs, hidden units, outputs and samples of each network of (a): ``(nets, 4)``.
        before: ``‖U A‖`` of each.
        lost: ``‖U A - U' A'‖``.
        kept: ``‖U' A'‖``.
        losses: ``(samples, sizes, 3, points)``: mean losses on the curve as printed, on the
            anchored one, and on the chord of the first, over ``‖Y‖²``.
        moved: ``(samples, 2)``: how far U is moved by g = 1, over its norm, printed and anchored.
    """

    settings: Settings
    shapes: Tensor = field(metadata={"json": False})
    before: Tensor = field(metadata={"json": False})
    lost: Tensor = field(metadata={"json": False})
    kept: Tensor = field(metadata={"json": False})
    losses: Tensor = field(metadata={"json": False})
    moved: Tensor

    def arrays(self) -> Params:
        """All of it."""
        names = ("shapes", "before", "lost", "kept", "losses", "moved")
        return {name: getattr(self, name) for name in names}

    def check(self) -> list[Check]:
        """The proposition, the identity behind it, and where the curve is flat."""
        return [*self._of_nets(), *self._of_curves()]

    def _of_nets(self) -> list[Check]:
        over = float((self.lost / self.before).max()) - 1
        apart = self.lost.square() + self.kept.square() - self.before.square()
        identity = float((apart / self.before.square()).abs().max())
        exact = self.lost < 1e-9 * self.before
        enough = self.shapes[:, 3] <= self.shapes[:, 1]
        wrong = float((exact != enough).sum())
        share = float(exact.double().mean())
        return [
            Check(
                "bound", "no network loses more than its outputs", over, 1e-12, source=_PROPOSITION
            ),
            Check(
                "Pythagoras",
                "what is lost and what is kept are orthogonal: squares add up to those of before",
                identity,
                1e-9,
                source="erratum E13: the printed bound allows everything to be lost",
            ),
            Check(
                "half at zero",
                f"nothing is lost just where samples ≤ hidden units: {share:.0%} of the networks",
                wrong,
                source="erratum E16",
            ),
        ]

    def _of_curves(self) -> list[Check]:
        few = [k for k, count in enumerate(self.settings.samples) if self._exact(count)]
        many = [k for k in range(len(self.settings.samples)) if k not in few]
        change = (self.losses - self.losses[..., :1]).abs().amax(-1)
        chord = self.losses[:, :, 2].amax(-1)
        found = [
            Check(
                "flat",
                "with samples ≤ hidden units the loss on the curve is constant (over ‖Y‖²)",
                float(change[few][:, :, :2].max()),
                1e-12,
                source="erratum E15",
            ),
            Check(
                "chord",
                "the larger g, the higher the loss on the chord",
                -float(chord.diff(dim=1).min()),
                source=_SOURCE,
            ),
            Check(
                "start",
                "the printed curve starts where the network is: g = 1 moves nothing",
                float(self.moved[few, 0].max()),
                1e-9,
                "With fewer samples than hidden units U A A⁺ is another matrix than U, of the same "
                "outputs on the data (erratum E14). The anchored map starts at U.",
                source="section 6.1",
            ),
            Check("anchored", "the anchored map does", float(self.moved[:, 1].max()), 1e-9),
        ]
        if many:
            claim = "with more samples than hidden units the curve is no longer flat"
            least = float(change[many][:, -1, 0].min())
            found.append(Check("approximate", claim, 1e-3 - least, source="beyond the paper"))
        return found

    def _exact(self, samples: int) -> bool:
        return samples <= self.settings.widths[1]

    def draw(self) -> Mapping[str, Picture]:
        """The scatter, and a panel for each number of samples and size."""
        most = float(self.before.max())
        points = Series("networks", self.lost.tolist(), self.before.tolist(), "teal", line=False)
        diagonal = Series("y = x", (0.0, most), (0.0, most), "soft", dots=False, dash=4)
        scatter = chart(
            "What a refitted layer loses of its outputs",
            Axis("norm of the outputs lost"),
            Axis("norm of the outputs"),
            [points, diagonal],
        )
        ts = torch.linspace(0, 1, self.settings.points).tolist()
        panels = [
            chart(
                f"{count} samples, |g| = {size:g}",
                Axis("t"),
                Axis("relative loss"),
                [
                    Series(name, ts, self.losses[k, j, row].tolist(), tone, dots=False, dash=dash)
                    for row, name, tone, dash in (
                        (2, "chord", "red", 0.0),
                        (0, "curve", "teal", 0.0),
                        (1, "anchored", "purple", 4.0),
                    )
                ],
                width=440,
            )
            for k, count in enumerate(self.settings.samples)
            for j, size in enumerate(self.settings.sizes)
        ]
        title = "Loss on the curve of equation 6 and on its chord"
        return {
            "figure3a": scatter,
            "figure3bc": beside(title, *panels, columns=len(self.settings.sizes)),
        }

    def __str__(self) -> str:
        rows = [
            [
                f"{count} samples",
                f"{size:g}",
                *(f"{float(self.losses[k, j, row].max()):.3g}" for row in range(3)),
            ]
            for k, count in enumerate(self.settings.samples)
            for j, size in enumerate(self.settings.sizes)
        ]
        head = ("largest loss / ‖Y‖²", "|g|", "curve", "anchored", "chord")
        return table(head, rows)


def perform(bench: Bench, settings: Settings) -> DataMap:
    """Both parts, in steps of their own."""
    scatter = bench.step("nets", lambda: nets(bench, settings))
    losses = bench.step("curves", lambda: curves(bench, settings))
    return DataMap(settings, **scatter, **losses)


figure3 = Experiment(
    "zhao2025.figure3",
    "A map that depends on data: what it keeps, and the curves that it makes",
    _SOURCE,
    {
        Scale.SMOKE: Settings(12, 40, (6, 10, 8), (4, 30), (0.5, 2.0), 2, 11),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(steps=2000, samples=(8, 48, 64, 128)),
    },
    perform,
    (
        "Step sizes, numbers of steps and the size of g are not given in the paper.",
        "The shape of W₂ is cut off in the text that we read; 64 x 32 fits.",
        "Panels with 48 samples and more are ours.",
    ),
)
"""Equation 6: exact on the data where samples fit into the hidden layer, approximate elsewhere."""
