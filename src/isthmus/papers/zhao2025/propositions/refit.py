"""Proposition 6.1: what a map that depends on data keeps of the outputs (equation 6).

Where hidden features go from A to A', a reader U goes to ``U A A'⁺``. How much of the outputs that
can lose, by which norms; when nothing is lost; when it is an action of a group; and the path of no
loss that follows where the features can hold all samples.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, beside, chart
from isthmus.papers.zhao2025.propositions.refits import (
    ENTRIES,
    LAWS,
    UNITARY,
    Settings,
    laws,
    legs,
    norms,
)
from isthmus.papers.zhao2025.seen import Seen, gathered

_SOURCE = "Zhao, Dehmamy, Walters and Yu 2025, Proposition 6.1"


class Refits(Seen):
    """What was measured, by name: see `isthmus.papers.zhao2025.propositions.refits`."""

    settings: Settings

    def check(self) -> list[Check]:
        """The bound and its norms, the identity, exactness, the axioms, the path."""
        return [*self._bound(), *self._axioms(), *self._path()]

    def _bound(self) -> list[Check]:
        few = torch.tensor(self.settings.samples) <= self.settings.hidden
        shares, names = self.seen["norms"], ", ".join(UNITARY)
        entry = shares[:, len(UNITARY)]
        return [
            Check(
                "bound",
                f"no more is lost than the outputs, by norms that rotations keep ({names})",
                float(shares[:, : len(UNITARY)].max()) - 1,
                1e-12,
                source=_SOURCE,
            ),
            Check(
                "any norm",
                "nor by any other norm: the proposition names none",
                float(entry.max()) - 1,
                1e-12,
                "The largest entry of the outputs may change by more than itself, here in "
                f"{float((entry > 1).double().mean()):.1%} of the draws (erratum E12). That "
                "1 - A'⁺A' is idempotent is not enough; as it is symmetric too it projects.",
                source=_SOURCE,
            ),
            Check(
                "Pythagoras",
                "what is lost and what is kept are orthogonal",
                float(self.seen["pythagoras"].max()),
                1e-9,
                source="erratum E13: the printed bound allows everything to be lost",
            ),
            Check(
                "exact",
                "with samples ≤ hidden units nothing is lost",
                float(self.seen["lost"][few].max()),
                1e-9,
                source="erratum E15",
            ),
            Check(
                "approximate",
                "with more it is, in every network",
                1e-6 - float(self.seen["lost"][~few].min()),
                source="erratum E15",
            ),
        ]

    def _axioms(self) -> list[Check]:
        k = torch.tensor(self.settings.samples)
        few, many = k <= self.settings.hidden, k >= self.settings.hidden
        return [
            Check(
                "identity",
                "g = 1 leaves U where it is just where samples ≥ hidden units",
                max(
                    float(self.seen["moved"][many].max()),
                    1e-6 - float(self.seen["moved"][~many].min()),
                ),
                1e-9,
                source="erratum E14",
            ),
            Check(
                "composition",
                "g·(f·w) is (gf)·w just where samples ≤ hidden units: an action for h = k alone",
                max(
                    float(self.seen["composition"][few].max()),
                    1e-6 - float(self.seen["composition"][~few].min()),
                ),
                1e-9,
                source="erratum E14, our own proof",
            ),
            Check(
                "group action",
                "equation 6 leaves every network where it is at g = 1, as an action does",
                float(self.seen["moved"].max()),
                1e-9,
                "With fewer samples than hidden units it takes U to U A A⁺, of the same outputs on "
                "the data and another matrix (erratum E14). The anchored map leaves it.",
                source="section 6.1",
            ),
            Check("anchored", "the anchored map does", float(self.seen["anchored"].max()), 1e-12),
            Check(
                "least motion",
                "and never moves U farther than the printed map",
                float(self.seen["farther"].max()) - 1,
                1e-9,
                source="erratum E14",
            ),
        ]

    def _path(self) -> list[Check]:
        few = torch.tensor(self.settings.samples) <= self.settings.hidden
        refused = self.seen["legs"].isnan()
        return [
            Check(
                "two legs",
                "with samples ≤ hidden units any two minima are joined by a path of no loss",
                float(self.seen["legs"][few].max()),
                1e-18,
                source="our corollary",
            ),
            Check(
                "refused",
                "with more the path is refused, as its hypothesis fails",
                float((refused != ~few).sum()),
                source="our corollary",
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """What is lost, and what fails of the axioms, over the number of samples."""
        k = [float(count) for count in self.settings.samples]
        rows = {
            "lost": ("lost", "red"),
            "g = 1 moves U": ("moved", "amber"),
            "g·(f·w) ≠ (gf)·w": ("composition", "blue"),
        }
        series = [
            Series(name, k, self.seen[row].amax(1).tolist(), tone)
            for name, (row, tone) in rows.items()
        ]
        title = f"Equation 6 with {self.settings.hidden} hidden units"
        laws = chart(title, Axis("samples"), Axis("relative"), series)
        names = [*UNITARY, *ENTRIES]
        shares = self.seen["norms"].amax(0).tolist()
        bars = [
            Series(name, [0.0, share], [float(k)] * 2, "red" if share > 1 else "teal")
            for k, (name, share) in enumerate(zip(names, shares, strict=True))
        ]
        one = Series("", [1.0, 1.0], [-0.5, len(names) - 0.5], "soft", dots=False, dash=4)
        lost = chart(
            "Most that is lost, by norm",
            Axis("over the outputs"),
            Axis("", numbers=False),
            [*bars, one],
        )
        return {"refit": beside("What a refitted reader keeps", laws, lost)}

    def __str__(self) -> str:
        rows = [
            [str(count), *(f"{float(self.seen[name][k].max()):.2g}" for name in LAWS)]
            for k, count in enumerate(self.settings.samples)
        ]
        return table(("samples", *LAWS), rows)


def perform(bench: Bench, settings: Settings) -> Refits:
    """A step for each part."""
    return Refits(settings, gathered(bench, settings, norms, laws, legs))


refit = Experiment(
    "zhao2025.refit",
    "A map that depends on data: what it keeps, and when it is an action",
    _SOURCE,
    {
        Scale.SMOKE: Settings(400, 6, (2, 5, 6, 7, 10), 4),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(20_000, 32, (8, 16, 31, 32, 33, 48, 64, 128), 50),
    },
    perform,
    ("The paper has no such experiment beyond Figure 3: this is its statement, run.",),
)
"""A projection: it keeps what the new features can say, and no more."""
