"""Conserved quantities of gradient flow, their decay, and the minimum that they choose."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from isthmus.ground import Params
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, beside, chart
from isthmus.papers.methods.method import Measured, Method
from isthmus.papers.methods.optimisation.flow import Conserver, conservers

ZHAO = "Zhao, Ganev, Walters, Yu and Dehmamy 2023, ICLR"
KUNIN = "Kunin et al. 2021, ICLR"
KINDS = ("rescaling (ReLU)", "shears (linear)", "scale", "translation (softmax)")
EVERY = 10
"""Charges are looked at after so many steps."""

_TONES = ("teal", "blue", "amber", "red")


@dataclass(frozen=True)
class Settings:
    """How flows are followed.

    Attributes:
        step: Of the Runge-Kutta method.
        steps: How many; charges are looked at after every tenth.
        decay: Weight decay, where there is some.
        samples: Of each network's data.
        starts: Starts of ``(u v - c)²``, whose minimum is read off the charge.
    """

    step: float = 0.002
    steps: int = 1000
    decay: float = 0.2
    samples: int = 40
    starts: int = 8

    @property
    def times(self) -> Tensor:
        """When charges are looked at."""
        return self.step * EVERY * torch.arange(self.steps // EVERY + 1, dtype=torch.float64)


@dataclass(frozen=True)
class Flow(Measured):
    """Charges along gradient flow.

    Attributes:
        settings: What was run.
        drift: ``(4, times)``, in the order of `KINDS`: how far charges are from the first,
            relative to the largest of those.
        decayed: ``(4, times)``: so with weight decay, against ``e^{-2λt}`` or, of translation,
            ``e^{-λt}`` times the first.
        left: ``(4, times)``: what share of the first charges is left with weight decay.
        euler: ``(4,)``: the last drift by Euler's method at the same step.
        order: By how much the drift of the linear pair falls when the step is halved.
        sharpness: ``(2, starts)``: the trace of the Hessian where the flow of ``(uv - c)²/2`` ends,
            and what its charge says of it.
    """

    settings: Settings
    drift: Tensor = field(metadata={"json": False})
    decayed: Tensor = field(metadata={"json": False})
    left: Tensor = field(metadata={"json": False})
    euler: Tensor
    order: Tensor
    sharpness: Tensor

    def arrays(self) -> Params:
        """All tensors."""
        names = ("drift", "decayed", "left", "euler", "order", "sharpness")
        return {name: getattr(self, name) for name in names}

    @property
    def measured(self) -> str:
        """The largest drifts."""
        rows = ", ".join(
            f"{name} {float(row.max()):.0e}" for name, row in zip(KINDS, self.drift, strict=True)
        )
        low, high = self.sharpness[0].min(), self.sharpness[0].max()
        return (
            f"largest drift of charges along gradient flow: {rows} (by Euler's method "
            f"{float(self.euler.min()):.0e} to {float(self.euler.max()):.0e}); with weight decay "
            f"they are within {float(self.decayed.max()):.0e} of the law; charges tell the "
            f"sharpness of minima of (uv - c)², {float(low):.2f} to {float(high):.2f}, to "
            f"{self._sharp:.0e}"
        )

    @property
    def _sharp(self) -> float:
        return float((self.sharpness[0] / self.sharpness[1] - 1).abs().max())

    def check(self) -> list[Check]:
        """Conserved, decaying as said, and no artefact of small steps."""
        found = [
            Check(
                f"conserved: {name}",
                "the charges drift by less than 1e-6 along gradient flow (relative)",
                float(row.max()),
                1e-6,
                source=KUNIN if name == "scale" or "trans" in name else ZHAO,
            )
            for name, row in zip(KINDS, self.drift, strict=True)
        ]
        found += [
            Check(
                f"decay: {name}",
                f"with weight decay λ they decay as {law} (relative to the first)",
                float(row.max()),
                1e-6,
                source=KUNIN,
            )
            for name, law, row in zip(KINDS, _LAWS, self.decayed, strict=True)
        ]
        return [
            *found,
            Check(
                "flow alone",
                "by Euler's method, plain descent, all but the sums drift by more than 1e-6",
                1e-6 - float(self.euler[:3].min()),
            ),
            Check(
                "sums",
                "sums are linear in the weights: descent of any step size conserves them",
                float(self.euler[3]),
                1e-12,
                source=KUNIN,
            ),
            Check(
                "order",
                "half the step takes the drift of the linear pair down by 2⁴ at least (to a tenth)",
                1 - float(self.order) / 16,
                0.1,
            ),
            Check(
                "flat minima",
                "the charge at the start tells the Hessian's trace where the flow ends: "
                "√(Q² + 4c²), for (uv - c)²/2",
                self._sharp,
                1e-6,
                source=ZHAO,
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """Drifts, and shares that are left beside the law."""
        ts = self.settings.times.tolist()
        drifts, shares = [], []
        for k, (name, tone) in enumerate(zip(KINDS, _TONES, strict=True)):
            row = self.drift[k, 1:].clamp_min(1e-17).tolist()
            drifts.append(Series(name, ts[1:], row, tone, dots=False))
            shares.append(Series(name, ts, self.left[k].tolist(), tone, dots=False))
        for power in (1, 2):
            law = [math.exp(-power * self.settings.decay * t) for t in ts]
            shares.append(Series("", ts, law, "grey", dash=4, dots=False))
        return {
            "charges": beside(
                "Charges along gradient flow",
                chart("No weight decay", Axis("time"), Axis("drift", log=True), drifts),
                chart("With it; dashed: the law", Axis("time"), Axis("share left"), shares),
            )
        }

    def __str__(self) -> str:
        rows = [
            [name, f"{float(drift.max()):.1e}", f"{float(euler):.1e}", f"{float(law.max()):.1e}"]
            for name, drift, euler, law in zip(
                KINDS, self.drift, self.euler, self.decayed, strict=True
            )
        ]
        return table(("charges", "drift", "by Euler", "off the law of decay"), rows)


_LAWS = ("e^(-2λt)", "e^(-2λt)", "e^(-2λt)", "e^(-λt)")


def perform(bench: Bench, settings: Settings) -> Flow:
    """A step for each network, and one for the minima."""
    rows = []
    networks = conservers(settings.samples, bench.seed)
    for k, network in enumerate(networks):
        bench.tell(network.name, k, len(networks))
        rows.append(bench.step(f"flow-{k}", lambda one=network: _followed(settings, one)))  # type: ignore[misc]
    stacked = {n: torch.stack([row[n] for row in rows]) for n in ("drift", "decayed", "left")}
    euler = torch.stack([row["euler"] for row in rows])
    order = bench.step("order", lambda: {"order": _order(networks[1])})["order"]
    ends = bench.step("minima", lambda: {"sharpness": _minima(settings)})["sharpness"]
    return Flow(settings, **stacked, euler=euler, order=order, sharpness=ends)


def _followed(settings: Settings, network: Conserver) -> Params:
    plain = network.run(settings.step, settings.steps, every=EVERY)
    decaying = network.run(settings.step, settings.steps, settings.decay, every=EVERY)
    euler = network.run(settings.step, settings.steps, every=EVERY, runge_kutta=False)
    first = plain[0]
    size = first.abs().max()
    law = torch.exp(-network.power * settings.decay * settings.times)[:, None] * first
    return {
        "drift": (plain - first).abs().amax(1) / size,
        "decayed": (decaying - law).abs().amax(1) / size,
        "left": decaying @ first / (first @ first),
        "euler": (euler[-1] - first).abs().max() / size,
    }


def _order(network: Conserver) -> Tensor:
    """How far charges drift in large steps, over how far in steps of half the size."""
    drifts = []
    for share in (1, 2):
        found = network.run(0.1 / share, 40 * share, every=40 * share)
        drifts.append((found[-1] - found[0]).abs().max())
    return drifts[0] / drifts[1]


class Products(nn.Module):
    """``u v x``, for many u and v: each two layers of one unit with nothing between them."""

    def __init__(self, u: Tensor, v: Tensor) -> None:
        super().__init__()
        self.u, self.v = nn.Parameter(u), nn.Parameter(v)

    def forward(self, x: Tensor) -> Tensor:
        """``(starts,)``, of one number."""
        return self.u * self.v * x


def _minima(settings: Settings, target: float = 1.5) -> Tensor:
    """The trace of the Hessian of ``(uv - c)²/2`` at the end, and √(Q² + 4c²) of the start."""
    u = torch.linspace(0.3, 2.3, settings.starts, dtype=torch.float64)
    network = Conserver(
        "products",
        Products(u, torch.full_like(u, 0.4)),
        torch.ones(1, dtype=torch.float64),
        torch.full_like(u, target),
        lambda outputs, targets: (outputs - targets).square().sum() / 2,
        lambda params: torch.stack([params[n].detach().square() for n in ("u", "v")]),
        2,
    )
    squares = network.run(0.03, 300, every=300)
    charge = squares[0, 0] - squares[0, 1]
    return torch.stack([squares[-1].sum(0), (charge.square() + 4 * target**2).sqrt()])


charges = Experiment(
    "methods.charges",
    "What gradient flow conserves, how weight decay makes it decay, and where it leads",
    f"{ZHAO}; {KUNIN}",
    {
        Scale.SMOKE: Settings(step=0.005, steps=40, starts=2),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(step=0.002, steps=10000, starts=32),
    },
    perform,
    (
        (
            "Small networks on random data, in float64; along stochastic training of larger ones, "
            "charges are measured in zhao2025.charges."
        ),
        (
            "The scale of a normalised weight and the sums are computed directly; the charges of "
            "rescaling and shears are those of the group that is discovered."
        ),
    ),
)
"""Gradient flow itself, by a method of fourth order."""

METHODS: tuple[Method, ...] = (
    Method(
        "Symmetries, flat minima and conserved quantities",
        ZHAO,
        "`isthmus.charges`, `isthmus.ChargeMonitor`",
        "Continuous symmetries give quantities that gradient flow conserves, which tell minima "
        "apart and how sharp they are",
        charges,
    ),
    Method(
        "Neural mechanics",
        KUNIN,
        "`isthmus.Decay`, `isthmus.ChargeMonitor`",
        "Sums, squared norms and their differences are conserved by gradient flow, and decay "
        "exponentially with weight decay",
        charges,
    ),
)
"""What is measured here."""
