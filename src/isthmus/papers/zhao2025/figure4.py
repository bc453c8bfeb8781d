"""Figure 4: the barrier to a rescaled copy grows without bound (Propositions 5.3 and 5.6)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from isthmus.discovery import discover
from isthmus.ground import Params, params_of
from isthmus.landscape import Line, Loss, Rescaling, rescale_path
from isthmus.papers.bench import Bench, Check, Experiment, Findings, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, beside, chart
from isthmus.papers.zhao2025.networks import SLOPE, descended, network, normal, solved, square

_SOURCE = "Zhao, Dehmamy, Walters and Yu 2025, Figure 4 and Proposition 5.3"
"""mathematics.md 1.10."""


@dataclass(frozen=True)
class Settings:
    """``L = ‖Y - W₅ σ(W₄ σ(W₃ σ(W₂ σ(W₁ X))))‖²``; the copy has ``m W₄`` and ``W₅ / m``.

    Attributes:
        most: The largest m; every whole number from 1 is taken, or every ``every``-th.
        every: See there.
        steps: Of the descent.
        curve: Points of the exact curve to the copy.
    """

    widths: tuple[int, ...] = (8, 16, 32, 16, 8, 4)
    samples: int = 4
    most: int = 12_000
    every: int = 1
    steps: int = 3000
    curve: int = 101


@dataclass(frozen=True)
class Growth(Findings):
    """Barriers at the middle of the line, by factor.

    Attributes:
        settings: What was run.
        norm: ``‖Y‖``.
        start: The loss at the minimum.
        factors: m.
        measured: The loss at the middle minus that of the ends.
        drift: The largest change of the loss on the exact curve to the last copy, relative to
            ``‖Y‖²``.
    """

    settings: Settings
    norm: float
    start: float
    factors: Tensor = field(metadata={"json": False})
    measured: Tensor = field(metadata={"json": False})
    drift: float

    @property
    def predicted(self) -> Tensor:
        """``(s - 1)² ‖Y‖²`` with ``s - 1 = (m + 1/m - 2) / 4``."""
        growth = [Rescaling(float(m)).growth(0.5) for m in self.factors]
        return (torch.tensor(growth, dtype=torch.float64) - 1).square() * self.norm**2

    def arrays(self) -> Params:
        """Both curves."""
        return {"m": self.factors, "measured": self.measured, "predicted": self.predicted}

    def check(self) -> list[Check]:
        """The closed form, at every m; no bound; and the curve that has no barrier."""
        apart = (self.measured - self.predicted).abs()[1:] / self.predicted[1:]
        rise = self.measured.diff()
        last = math.sqrt(float(self.measured[-1])) / self.norm
        return [
            Check(
                "closed form",
                f"the barrier is ‖Y‖² (s - 1)² at each of {len(self.factors)} factors",
                float(apart.max()),
                1e-9,
                source=_SOURCE,
            ),
            Check(
                "no bound",
                f"it rises with every m, to ({last:.1f} ‖Y‖)² at m = {self.factors[-1]:.0f}",
                -float(rise.min()),
                source="Proposition 5.3",
            ),
            Check(
                "exact curve",
                "on (mᵗ W₄, m⁻ᵗ W₅) the loss stays what it is",
                self.drift,
                1e-12,
                source="erratum E6: the paper's proof names the straight line here",
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """The barrier and its root over m."""
        m = self.factors.tolist()
        thin = slice(0, len(m), max(1, len(m) // 400))
        panels = []
        for title, power in (("squared norm", 1.0), ("norm", 0.5)):
            both = [
                Series(name, m[thin], values.pow(power).tolist()[thin], tone, dots=False, dash=dash)
                for name, values, tone, dash in (
                    ("measured", self.measured, "red", 0.0),
                    ("closed form", self.predicted, "ink", 5.0),
                )
            ]
            panels.append(chart(f"Barrier, {title}", Axis("m"), Axis("loss"), both))
        return {"figure4": beside("The line to a rescaled copy", *panels)}

    def __str__(self) -> str:
        places = [0, *(k for k in range(1, len(self.factors)) if self._shown(k))]
        rows = [
            [f"{self.factors[k]:.0f}", f"{self.measured[k]:.6g}", f"{self.predicted[k]:.6g}"]
            for k in places
        ]
        return table(("m", "barrier", "closed form"), rows)

    def _shown(self, place: int) -> bool:
        count = len(self.factors)
        return place == count - 1 or place in {count // 2**k for k in range(1, 14)}


def perform(bench: Bench, settings: Settings) -> Growth:
    """Train, rescale, look at the middle."""
    generator = torch.Generator().manual_seed(bench.seed)
    x = normal(generator, settings.samples, settings.widths[0])
    y = normal(generator, settings.samples, settings.widths[-1])
    model = network(settings.widths, nn.LeakyReLU(SLOPE), generator)

    def trained() -> Params:
        return params_of(solved(descended(model, x, y, settings.steps, 0.005), x, y))

    start = bench.step("minimum", trained)
    names = [f"{2 * (len(settings.widths) - k)}.weight" for k in (3, 2)]
    loss = Loss(model, [(x, y)], square, {})
    base = loss(start)
    factors = torch.arange(1, settings.most + 1, settings.every, dtype=torch.float64)

    def barriers() -> Params:
        heights = torch.empty_like(factors)
        for k, m in enumerate(factors.tolist()):
            copy = {names[0]: m * start[names[0]], names[1]: start[names[1]] / m}
            heights[k] = loss(Line(start, {**start, **copy})(0.5)) - base
            if k % 200 == 0:
                bench.tell("barriers", k, len(factors))
        return {"heights": heights}

    heights = bench.step("barriers", barriers)["heights"]
    size = float(y.norm())
    symmetry = discover(model, x[:1])
    (space,) = set(symmetry.reps[names[0]].spaces) & set(symmetry.reps[names[1]].spaces)
    curve = rescale_path(symmetry, start, space, float(factors[-1]))
    ts = [k / (settings.curve - 1) for k in range(settings.curve)]
    drift = max(abs(one.loss - base) for one in loss.along(curve, ts)) / size**2
    return Growth(settings, size, base, factors, heights, drift)


figure4 = Experiment(
    "zhao2025.figure4",
    "The barrier to a rescaled copy grows without bound",
    _SOURCE,
    {
        Scale.SMOKE: Settings(every=400, steps=200, curve=11),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(),
    },
    perform,
    (
        f"The slope of leaky ReLU is not given: {SLOPE}.",
        "Nor is the descent: it has momentum; at its end the last matrix is solved for exactly.",
        "The text does not say whether the norm is squared: both are drawn.",
    ),
)
"""Rescaled copies are one function, and as far apart as one likes."""
