"""Figure 2: two points of a minimum in two parameters, and the loss on the chord between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from isthmus.ground import Params
from isthmus.landscape import Line, Loss, Rescaling, barrier
from isthmus.papers.bench import Bench, Check, Experiment, Findings, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, beside, chart
from isthmus.papers.zhao2025.networks import square

_SOURCE = "Zhao, Dehmamy, Walters and Yu 2025, Figure 2"


@dataclass(frozen=True)
class Settings:
    """``L(W) = ‖Y - W₂ W₁ X‖²``, all in one dimension; the second point is ``(m W₁, W₂ / m)``."""

    x: float = 1.0
    y: float = 1.0
    first: float = 0.5
    factor: float = 4.0
    points: int = 101


@dataclass(frozen=True)
class Chord(Findings):
    """Losses on the chord: measured by the library, and in closed form (mathematics.md 1.9)."""

    settings: Settings
    ts: Tensor = field(metadata={"json": False})
    measured: Tensor = field(metadata={"json": False})
    barrier: float

    @property
    def predicted(self) -> Tensor:
        """``(1 - (1-t+t/m)(1-t+t m))² Y²``."""
        s = self.settings
        growth = [Rescaling(s.factor).growth(float(t)) for t in self.ts]
        return (1 - torch.tensor(growth, dtype=torch.float64)).square() * s.y**2

    def arrays(self) -> Params:
        """Both curves."""
        return {"t": self.ts, "measured": self.measured, "predicted": self.predicted}

    def check(self) -> list[Check]:
        """The chord leaves the minimum, as far as the formula says."""
        off = float((self.measured - self.predicted).abs().max()) / self.barrier
        ends = float(self.measured[[0, -1]].max()) / self.barrier
        claim = "the loss on the chord is that of the closed form, at all points"
        return [
            Check("closed form", claim, off, 1e-12, source=_SOURCE),
            Check("minima", "both ends are minima of zero loss", ends, 1e-12, source=_SOURCE),
            Check("barrier", "the chord leaves the minimum", 1e-3 - self.barrier, source=_SOURCE),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """The hyperbola with its chord; the loss on the chord."""
        s = self.settings
        product = s.y / s.x
        ends = (s.first, s.first * s.factor)
        across = torch.linspace(0.6 * min(ends), 1.3 * max(ends), 80).tolist()
        minima = Series("minima", across, [product / w for w in across], "teal", dots=False)
        chord = Series("chord", ends, [product / w for w in ends], "red")
        plane = chart("The plane of the weights", Axis("W1"), Axis("W2"), [minima, chord])
        ts = self.ts.tolist()
        curve = Series("chord", ts, self.measured.tolist(), "red", dots=False)
        loss = chart("The loss on the chord", Axis("t"), Axis("loss"), [curve])
        return {"figure2": beside("Two minima of one branch, and their chord", plane, loss)}

    def __str__(self) -> str:
        return table(("t", "loss"), [(f"{t:.2f}", f"{v:.6f}") for t, v in self._some()])

    def _some(self) -> list[tuple[float, float]]:
        rows = list(zip(self.ts.tolist(), self.measured.tolist(), strict=True))
        return rows[:: max(1, len(rows) // 10)]


def perform(bench: Bench, settings: Settings) -> Chord:
    """Evaluate the chord."""
    model = nn.Sequential(*(nn.Linear(1, 1, bias=False, dtype=torch.float64) for _ in range(2)))
    x, y = (torch.tensor([[v]], dtype=torch.float64) for v in (settings.x, settings.y))

    def point(first: float) -> Params:
        weights = (first, settings.y / settings.x / first)
        return {
            f"{k}.weight": torch.tensor([[w]], dtype=torch.float64) for k, w in enumerate(weights)
        }

    line = Line(point(settings.first), point(settings.first * settings.factor))
    found = barrier(Loss(model, [(x, y)], square, {}), line, points=settings.points)
    ts = torch.tensor(found.ts, dtype=torch.float64)
    return Chord(settings, ts, torch.tensor(found.losses, dtype=torch.float64), found.height)


figure2 = Experiment(
    "zhao2025.figure2",
    "Two minima of one branch, and the loss on their chord",
    _SOURCE,
    dict.fromkeys(Scale, Settings()),
    perform,
    ("The paper draws a sketch; X = Y = 1 and the two points are ours.",),
)
"""Even in two parameters the straight line leaves the minimum."""
