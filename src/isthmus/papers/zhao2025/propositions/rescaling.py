"""Propositions 5.3 to 5.6: copies of a network that are rescaled, and how far apart they are.

With an activation that is positively homogeneous of degree k, ``(m W_{l-1}, m⁻ᵏ W_l)`` is the same
function; the line to it has a barrier without bound in m, also after the best permutation of the
last hidden layer; its middle is far from the whole orbit; and only where norms are bounded is the
barrier.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, beside, chart
from isthmus.papers.zhao2025.propositions.rescaled import (
    Settings,
    bounded,
    closed_form,
    distances,
    growth,
)
from isthmus.papers.zhao2025.seen import Seen, gathered

_SOURCE = "Zhao, Dehmamy, Walters and Yu 2025, Propositions 5.3 to 5.6"
_TONES = ("teal", "blue", "amber", "red", "purple")


class Rescaled(Seen):
    """What was measured, by name: see `isthmus.papers.zhao2025.propositions.rescaled`."""

    settings: Settings

    def check(self) -> list[Check]:
        """Each proposition, and what of it as printed does not hold."""
        return [*self._unbounded(), *self._permuted(), *self._distant(), *self._bounded()]

    def _unbounded(self) -> list[Check]:
        seen, source = self.seen, "Proposition 5.3"
        rise = seen["heights"][:, 1:].diff(dim=1)
        return [
            Check(
                "line",
                "at any parameters the loss on the line is ‖Y - s O‖², s in closed form",
                float(seen["line_off"].max()),
                1e-9,
                source="Proposition 5.3, made exact",
            ),
            Check("no bound", "the barrier rises with m", -float(rise.min()), source=source),
            Check(
                "choice of m",
                "with m of the proof, corrected, the loss in the middle is at least b",
                1 - float(seen["chosen"].min()),
                source="erratum E7",
            ),
            Check(
                "exact curve",
                "on (mᵗ W_{l-1}, m^{-kt} W_l) the loss stays what it is",
                float(seen["curve_drift"].max()),
                1e-9,
                source="erratum E6",
            ),
            Check(
                "curve of the proof",
                "the curve that the proof names stays in the minimum",
                float(seen["heights"].max()),
                1e-9,
                "It is the straight line, whose loss the proposition shows to be unbounded "
                "(erratum E6). (mᵗ W_{l-1}, m^{-kt} W_l) stays.",
                source=source,
            ),
            Check(
                "all real c",
                "leaky ReLU has σ(cz) = cᵏ σ(z) for all real c, as the hypothesis says",
                float(seen["negative_factor"].max()),
                1e-9,
                "For c < 0 it does not, nor does ReLU (erratum E5); c > 0 is all that is used.",
                source=source,
            ),
        ]

    def _permuted(self) -> list[Check]:
        whole = [k for k, degree in enumerate(self.settings.degrees) if degree >= 1]
        last = self.seen["permuted"][whole, -1] / self.seen["leading"][whole, -1]
        return [
            Check(
                "permuted",
                "the best of all permutations leaves (2^{-(k+1)} mᵏ min ‖W P σ(Z)‖)², k ≥ 1",
                float((last - 1).abs().max()),
                0.01,
                source="Proposition 5.4, erratum E8",
            ),
            Check(
                "its hypothesis",
                "where W P σ(Z) is zero for one P, the best middle is bounded by ‖Y‖²",
                float(self.seen["vanishing"].max()) - 1,
                source="Proposition 5.4: why W P σ(Z) ≠ 0 is assumed for all P",
            ),
        ]

    def _distant(self) -> list[Check]:
        measured, bound = self.seen["measured"], self.seen["bound"]
        c = self.seen["c"]
        # Of W₁ = W₂ = 1: (x, 1/x) in each coordinate, with x + 1/x = c where that is possible.
        known = torch.where(c > 2, (2 * (c * c - 2).clamp(min=0)).sqrt(), 2 * (c - 1))
        return [
            Check(
                "identities",
                "of W₁ = W₂ = 1 the middle is √(2c² - 4) from the orbit, where c ≥ 2",
                float((measured[0] / known - 1).abs().max()),
                1e-6,
                source="our own calculation, against the descent",
            ),
            Check(
                "distance",
                "no point of the orbit is nearer to the middle of a chord than r(c)",
                float((bound / measured).max()) - 1,
                source="Proposition 5.5, erratum E10",
            ),
            Check(
                "it grows",
                "the distance grows with every β, and so does r(c)",
                -float(torch.stack([measured.diff(dim=1), bound.diff(dim=1)]).min()),
                source="Proposition 5.5",
            ),
            Check(
                "not vacuous",
                "the distance is at most ten times r(c)",
                float((measured / bound)[:, -1].max()) / 10 - 1,
                source="erratum E10",
            ),
            Check(
                "product zero",
                "where W₂ W₁ = 0 the middle can lie on the orbit: W₂ W₁ ≠ 0 is needed",
                float(self.seen["degenerate"]) / float(c[-1]),
                1e-12,
                source="erratum E10",
            ),
        ]

    def _bounded(self) -> list[Check]:
        inside, ends, outside, limit = (
            self.seen[name] for name in ("inside", "ends", "outside", "limit")
        )
        claim = "within norms of at most c the barrier is at most that of the ends of the piece"
        over = max(float(inside.max()), float(ends.max())) - 1
        return [
            Check("bounded piece", claim, over, 1e-9, source="Proposition 5.6, erratum E11"),
            Check("attained", "it is attained", float((ends - 1).abs().max()), 1e-9),
            Check("outside", "a fifth further it is exceeded", 1 - float(outside.min())),
            Check(
                "c comes first",
                "no bound serves for all c: from the smallest to the largest it grows tenfold",
                10 - float((limit[:, -1] / limit[:, 0]).min()),
                source="erratum E11",
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """Barriers over m, those of the best permutation, and distances to the orbit."""
        m = self.seen["m"].tolist()

        def curves(name: str, places: list[int]) -> list[Series]:
            return [
                Series(f"k = {self.settings.degrees[k]:g}", m, self.seen[name][k].tolist(), tone)
                for k, tone in zip(places, _TONES, strict=False)
            ]

        every = list(range(len(self.settings.degrees)))
        y = Axis("over ‖Y‖²", log=True)
        line = chart("Largest loss on the line", Axis("m", True), y, curves("heights", every))
        best = curves("permuted", every)
        best.append(Series("a zero", m, self.seen["vanishing"].tolist(), "grey"))
        permuted = chart("Middle, best permutation", Axis("m", log=True), y, best)
        c = self.seen["c"].tolist()
        gaps = [
            Series("measured", c, self.seen["measured"][0].tolist(), "red", line=False),
            Series("r(c)", c, self.seen["bound"][0].tolist(), "teal"),
        ]
        gap = chart("From the middle to the orbit", Axis("c", True), Axis("distance", True), gaps)
        return {"rescaling": beside("Rescaled copies", line, permuted, gap)}

    def __str__(self) -> str:
        head = ("m", *(f"k = {degree:g}" for degree in self.settings.degrees))
        values = self.seen["heights"].T.tolist()
        rows = [
            [f"{m:.4g}", *(f"{value:.4g}" for value in row)]
            for m, row in zip(self.seen["m"].tolist(), values, strict=True)
        ]
        return table(head, rows)


def perform(bench: Bench, settings: Settings) -> Rescaled:
    """A step for each part."""
    return Rescaled(settings, gathered(bench, settings, closed_form, growth, distances, bounded))


rescaling = Experiment(
    "zhao2025.rescaling",
    "Rescaled copies: a barrier without bound, also up to permutation, and far from the orbit",
    _SOURCE,
    {
        Scale.SMOKE: Settings((1.0, 2.0), 2, (0.5, 2.0, 4.0), 4, (2.0, 10.0), 1),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(draws=100, units=6, pairs=20),
    },
    perform,
    (
        "The paper has no such experiment: these are its statements, run.",
        "Activations are leaky ReLUs to the power k; networks, data and factors are ours.",
    ),
)
"""The larger the factor, the higher the loss between two copies of one function."""
