"""Taylor's formula on lines between trained networks: when second derivatives predict a barrier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, nn

from isthmus.alignment import align
from isthmus.discovery import discover
from isthmus.ground import Params
from isthmus.landscape import Line, Loss, taylor_barrier
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, beside, chart
from isthmus.papers.methods.landscape.training import SMALL, Network
from isthmus.papers.methods.method import Measured, Method

_SOURCE = "Singh et al. 2024"
_ACTIVATIONS: Mapping[str, type[nn.Module]] = {"gelu": nn.GELU, "relu": nn.ReLU}
_PAIRS = ("as trained", "aligned")
_FIGURES = ("measured", "estimate", "integral", "error")


@dataclass(frozen=True)
class Settings:
    """Two networks of each activation, and parts of the lines between them.

    Attributes:
        network: What is trained.
        epochs: Of each training.
        shares: The parts of each line, from its start.
        shown: Training samples that the loss is measured on, in float64.
        nodes: Of the integral, on each side.
        trained: Whether claims on trained networks are checked.
    """

    network: Network = SMALL
    epochs: int = 5
    shares: tuple[float, ...] = (0.02, 0.1, 0.25, 0.5, 1.0)
    shown: int = 300
    nodes: int = 16
    trained: bool = True


@dataclass(frozen=True)
class Heights(Measured):
    """Heights at the middles of parts of lines.

    Attributes:
        settings: What was run.
        heights: ``(activations, pairs, shares, 4)``: measured, estimated from the middle,
            integrated, and the error of the integral.
    """

    settings: Settings
    heights: Tensor = field(metadata={"json": False})

    @property
    def measured(self) -> str:
        """Estimate beside measurement, on whole lines."""
        words = [
            f"{name} {pair} {float(row[1]):.3g} of {float(row[0]):.3g}"
            for name, block in zip(_ACTIVATIONS, self.heights[:, :, -1], strict=True)
            for pair, row in zip(_PAIRS, block, strict=True)
        ]
        return "estimated barrier of measured, on whole lines: " + "; ".join(words)

    def arrays(self) -> Params:
        """All of it."""
        return {"heights": self.heights}

    def check(self) -> list[Check]:
        """The formula is exact; the estimate is right on short lines and wrong on long ones."""
        measured, estimate, integral, _ = self.heights.unbind(-1)
        smooth = ((measured - integral).abs() / measured.abs())[0]
        short = ((estimate - measured).abs() / measured.abs())[0, :, 0]
        long = ((estimate - measured).abs() / measured.abs())[:, 0, -1]
        checks = [
            Check(
                "formula",
                "for a smooth network the integral of second derivatives is the height (relative)",
                float(smooth.max()),
                1e-6,
                source="Taylor's formula with the tent kernel",
            ),
            Check(
                "short lines",
                "on the shortest lines the second derivative at the middle predicts the height "
                "to a tenth, for the smooth network",
                float(short.max()),
                0.1,
                source=_SOURCE,
            ),
        ]
        if self.settings.trained:
            checks.append(
                Check(
                    "whole lines",
                    "on the whole line between two trained networks it predicts the barrier to "
                    "a half",
                    float(long.max()),
                    0.5,
                    "The second derivative changes along the line: at its middle it says what the "
                    "loss does there and not how far it had to climb. Only the integral does, and "
                    "of ReLU networks not even that, as the loss bends where units switch.",
                    _SOURCE,
                )
            )
        return checks

    def draw(self) -> Mapping[str, Picture]:
        """A panel for each activation."""
        shares = self.settings.shares
        panels = []
        for name, block in zip(_ACTIVATIONS, self.heights, strict=True):
            series = []
            for pair, rows, tone in zip(_PAIRS, block, ("red", "teal"), strict=True):
                series.append(Series(pair, shares, rows[:, 0].tolist(), tone))
                series.append(Series("estimated", shares, rows[:, 1].tolist(), tone, dash=4))
            axes = Axis("part of the line"), Axis("height at its middle")
            panels.append(chart(name, *axes, series, width=460))
        return {"taylor": beside("Barriers, and what second derivatives say of them", *panels)}

    def __str__(self) -> str:
        rows = [
            [f"{name}, {pair}, {share:g}", *(f"{float(v):.4g}" for v in row)]
            for name, block in zip(_ACTIVATIONS, self.heights, strict=True)
            for pair, part in zip(_PAIRS, block, strict=True)
            for share, row in zip(self.settings.shares, part, strict=True)
        ]
        return table(("line", *_FIGURES), rows)


def perform(bench: Bench, settings: Settings) -> Heights:
    """Two trainings and two lines for each activation."""
    parts = [
        bench.step(f"{name}-heights", partial(_heights, bench, settings, activation))["heights"]
        for name, activation in _ACTIVATIONS.items()
    ]
    return Heights(settings, torch.stack(parts))


def _heights(bench: Bench, settings: Settings, activation: type[nn.Module]) -> Params:
    task = settings.network.task(activation)
    a, b = (task.trained(bench, bench.seed + k, epochs=settings.epochs) for k in (1, 2))
    model = task.fresh()
    near = align(b, to=a, symmetry=discover(model, task.x[:1])).params
    shown = (task.x[: settings.shown], task.y[: settings.shown])
    loss = Loss(model, [shown], task.criterion, {}, dtype=torch.float64)
    found = []
    for end in (b, near):
        line = Line(*({n: t.double() for n, t in one.items()} for one in (a, end)))
        for share in settings.shares:
            one = taylor_barrier(loss, Line(line.a, line(share)), nodes=settings.nodes)
            found.append([one.measured, one.estimate, one.integral, one.error])
    heights = torch.tensor(found, dtype=torch.float64)
    return {"heights": heights.view(len(_PAIRS), len(settings.shares), len(_FIGURES))}


taylor = Experiment(
    "methods.taylor",
    "When second derivatives predict a barrier",
    _SOURCE,
    {
        Scale.SMOKE: Settings(
            Network("digits", (8,), 500, 200), 1, (0.02, 1.0), 50, nodes=8, trained=False
        ),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(Network(hidden=(256, 256), samples=None, tests=None), 20, shown=2000),
    },
    perform,
    ("Networks and data are ours; of the source only the abstract could be read.",),
)
"""The formula is exact, and its first term alone is not."""

METHOD: Method = Method(
    "Taylor estimate of a barrier",
    "Singh et al. 2024, Landscaping linear mode connectivity",
    "`isthmus.taylor_barrier`",
    "A barrier's height can be estimated analytically from the curvature between the models.",
    taylor,
)
