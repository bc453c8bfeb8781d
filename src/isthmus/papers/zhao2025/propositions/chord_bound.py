"""Theorem 6.2: how far the chord of a curve can be from it, as printed and corrected.

A bound on curvature alone does not do: arcs of a circle that go the long way round, and many curves
of the linear group, are further from their chords than printed. With a bound on the length it does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, beside, chart
from isthmus.papers.zhao2025.propositions.chords import SHAPE, Settings, arcs, losses, orbits
from isthmus.papers.zhao2025.seen import Seen, gathered

_SOURCE = "Zhao, Dehmamy, Walters and Yu 2025, Theorem 6.2"
_KINDS = ("arcs", "general", "orthogonal")


class Chords(Seen):
    """What was measured, by name: see `isthmus.papers.zhao2025.propositions.chords`."""

    settings: Settings

    def of(self, kind: str, name: str) -> Tensor:
        """A column of `SHAPE`: one number for each curve of that kind."""
        return self.seen[kind][:, SHAPE.index(name)]

    def printed(self, kind: str) -> Tensor:
        """``1/κ - √(1/κ² - d²/4)``; NaN where that is not real."""
        bend = self.of(kind, "curvature") * self.of(kind, "chord") / 2
        return bend * self.of(kind, "chord") / 2 / (1 + (1 - bend.square()).sqrt())

    def check(self) -> list[Check]:
        """As printed; each part of the corrected theorem; the loss."""
        return [*self._as_printed(), *self._corrected(), *self._of_losses()]

    def _as_printed(self) -> list[Check]:
        checks = []
        for kind, claim in (
            ("arcs", "on arcs of a circle no point of the chord is further than printed"),
            ("general", "nor on curves of the linear group"),
        ):
            over = self.of(kind, "measured") / self.printed(kind) - 1
            wrong = int((over > 1e-6).sum())
            checks.append(
                Check(
                    f"printed, {'arcs' if kind == 'arcs' else 'curves'}",
                    claim,
                    float(over.nan_to_num(-1.0).max()),
                    1e-6,
                    f"{wrong} of {int(over.isfinite().sum())} with κd ≤ 2 are: curvature does not "
                    "bound how far a curve goes before it comes back (erratum E1). Its length has "
                    "to be bounded too.",
                    source=_SOURCE,
                )
            )
        complex_ones = self.printed("general").isnan()
        return [
            *checks,
            Check(
                "real value",
                "the printed bound has a real value for every curve",
                float(complex_ones.double().mean()),
                0.0,
                f"For {int(complex_ones.sum())} of {len(complex_ones)} curves κd > 2, and the root "
                "is of a negative number (erratum E2).",
                source=_SOURCE,
            ),
        ]

    def _corrected(self) -> list[Check]:
        over = {kind: self.of(kind, "measured") - self.of(kind, "bound") for kind in _KINDS}
        worst = max(float((over[k] / self.of(k, "chord")).max()) for k in _KINDS)
        valid = {kind: self.of(kind, "valid") > 0 for kind in _KINDS}
        long = (self.of("arcs", "length") > math.pi) & valid["arcs"]
        shares = [float(valid[kind].double().mean()) for kind in _KINDS[1:]]
        turned = self.of("orthogonal", "curvature") * self.of("orthogonal", "length")
        return [
            Check(
                "corrected",
                "no point of any chord is further than the corrected bound (a to d)",
                worst,
                1e-9,
                source="erratum E1",
            ),
            Check(
                "refused",
                "of no arc of more than half a circle is curvature taken for enough",
                float(long.sum()),
                source="erratum E1",
            ),
            Check(
                "two lengths",
                "with κd ≤ 2 a curve is at most as long as one arc over its chord, or at least as "
                "long as the other",
                max(float(self._between(kind).max()) for kind in _KINDS),
                0.02,  # length and curvature are bounds, from above
                source="part c, by Schwarz",
            ),
            Check(
                "rotations",
                f"in the orthogonal group κℓ ≤ π: {shares[1]:.0%} of its curves have the "
                f"hypotheses, {shares[0]:.0%} of those of GL",
                float(turned.max()) / math.pi - 1,
                0.05,  # what the bounds of both lose
                source="our own proof",
            ),
        ]

    def _between(self, kind: str) -> Tensor:
        """How far the length is from both that are allowed, relative; at most 0 if it is one."""
        curvature = self.of(kind, "curvature")
        turn = (curvature * self.of(kind, "chord") / 2).asin()
        total = curvature * self.of(kind, "length")
        inside = torch.minimum(total - 2 * turn, 2 * (math.pi - turn) - total) / total
        return inside.nan_to_num(-1.0)

    def _of_losses(self) -> list[Check]:
        loss = self.seen["loss"]
        return [
            Check(
                "gradient",
                "the loss on a chord is at most C dist, C the largest gradient on the way there",
                float((loss / self.seen["by_gradient"]).max()) - 1,
                1e-9,
                source="part e, erratum E3",
            ),
            Check(
                "Hessian",
                "from a minimum it is at most H dist² / 2",
                float((loss / self.seen["by_hessian"]).max()) - 1,
                1e-9,
                source="part e, erratum E3",
            ),
            Check(
                "global constant",
                "the loss has one Lipschitz constant: gradients do not grow with distance",
                float((self.seen["slopes"][1:] / self.seen["slopes"][:-1]).max()) - 1,
                1e-9,
                "On a ray they grow a thousandfold where weights grow tenfold, as for every "
                "squared loss (erratum E3). The largest on the short way to the curve does.",
                source=_SOURCE,
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """Arcs by their angle; all curves, measured against both bounds."""
        angles = self.seen["angles"].tolist()
        lines = [
            Series("printed", angles, self.printed("arcs").tolist(), "ink", dots=False, dash=5),
            Series("corrected", angles, self.of("arcs", "bound").tolist(), "teal", dots=False),
            Series(
                "measured", angles, self.of("arcs", "measured").tolist(), "red", dash=3, dots=False
            ),
        ]
        arcs = chart("Arcs of the unit circle", Axis("angle"), Axis("distance"), lines)
        panels = [arcs, self._scatter("printed"), self._scatter("corrected")]
        return {"chord_bound": beside("How far chords are from their curves", *panels)}

    def _scatter(self, which: str) -> Picture:
        """What was measured over a bound, both over the chord."""
        series = []
        for kind, tone in (("general", "red"), ("orthogonal", "blue")):
            bound = self.printed(kind) if which == "printed" else self.of(kind, "bound")
            x, y = (v / self.of(kind, "chord") for v in (bound, self.of(kind, "measured")))
            series.append(Series(kind, x.tolist(), y.tolist(), tone, line=False))
        series.append(Series("equal", (0.0, 0.5), (0.0, 0.5), "soft", dots=False, dash=4))
        axes = (Axis(f"bound, {which}, over chord"), Axis("measured, over chord"))
        return chart(f"Curves and the bound as {which}", *axes, series)

    def __str__(self) -> str:
        rows = []
        for kind in _KINDS:
            over = self.of(kind, "measured") > self.printed(kind) * (1 + 1e-6)
            counts = (
                len(over),
                int(over.sum()),
                int(self.printed(kind).isnan().sum()),
                int(self.of(kind, "valid").sum()),
                int((self.of(kind, "measured") > self.of(kind, "bound")).sum()),
            )
            rows.append([kind, *map(str, counts)])
        head = ("curves", "", "past printed", "no real value", "hypotheses hold", "past corrected")
        return table(head, rows)


def perform(bench: Bench, settings: Settings) -> Chords:
    """A step for each part."""
    return Chords(settings, gathered(bench, settings, arcs, orbits, losses))


chord_bound = Experiment(
    "zhao2025.chord_bound",
    "The distance of a chord from its curve: the printed bound, and the corrected one",
    _SOURCE,
    {
        Scale.SMOKE: Settings(10, 10, 3, 24, 1, 2),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(200, 2000, 6, 96, 50, 9),
    },
    perform,
    ("The paper has no such experiment: this is its theorem, held against random curves.",),
)
"""Curvature alone bounds nothing; curvature and length do."""
