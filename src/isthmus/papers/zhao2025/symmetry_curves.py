"""Section 6.1 on trained networks: exact curves of the whole group, their chords, Theorem 6.2.

The paper draws such curves for one hidden layer. Here they are those of the group that is found in
a perceptron, a convolutional network with BatchNorm and a small GPT, all trained.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from isthmus.discovery import discover
from isthmus.ground import Params, double
from isthmus.landscape import Line, Loss, OrbitPath, chord_bound
from isthmus.papers.bench import Bench, Check, Experiment, Findings, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, beside, chart
from isthmus.papers.tasks import Task, digits_convolution, digits_perceptron, tiny_gpt

_SOURCE = "Zhao, Dehmamy, Walters and Yu 2025, equations 4 and 5 and Theorem 6.2"
FIGURES = ("length", "chord", "curvature", "bound", "measured", "valid")
"""Of every curve, in the order of the array: see `Curves.shapes`."""


@dataclass(frozen=True)
class Settings:
    """What is trained, and how far it moves.

    Attributes:
        networks: Of ``mlp``, ``cnn`` (on digits) and ``gpt`` (on tinyshakespeare).
        scales: Of the random group elements of each: log-scales, shears and angles are about as
            large.
        epochs: Of each training.
        curves: For each network.
        points: On each.
        shown: Samples that losses are measured on.
    """

    networks: tuple[str, ...] = ("mlp", "cnn", "gpt")
    scales: tuple[float, ...] = (0.8, 0.8, 0.2)
    epochs: int = 5
    curves: int = 2
    points: int = 11
    shown: int = 200


@dataclass(frozen=True)
class Curves(Findings):
    """Losses on the curves and on their chords.

    Attributes:
        settings: What was run.
        losses: ``(networks, curves, 2, points)``: on the curve and on its chord, in float64.
        shapes: ``(networks, curves, 6)``: length of the curve, distance of its ends, largest
            curvature, the bound that holds, the distance measured, and whether curvature bounds it.
        directions: ``(networks,)``: dimensions of the groups.
    """

    settings: Settings
    losses: Tensor = field(metadata={"json": False})
    shapes: Tensor = field(metadata={"json": False})
    directions: Tensor

    def arrays(self) -> Params:
        """All of it."""
        return {"losses": self.losses, "shapes": self.shapes, "directions": self.directions}

    @property
    def drift(self) -> Tensor:
        """The largest change of the loss on any curve, relative: ``(networks,)``."""
        start = self.losses[:, :, 0, :1]
        return ((self.losses[:, :, 0] - start).abs() / start).amax((1, 2))

    @property
    def chord(self) -> Tensor:
        """The largest loss on the chords, over that of the start: ``(networks,)``."""
        return (self.losses[:, :, 1].amax(-1) / self.losses[:, :, 1, 0]).mean(1)

    def check(self) -> list[Check]:
        """Curves are flat, chords are not, and the corrected bound holds."""
        excess = (
            self.shapes[..., FIGURES.index("measured")] - self.shapes[..., FIGURES.index("bound")]
        )
        return [
            Check(
                "flat",
                "on every curve of the group the loss is constant (relative change)",
                float(self.drift.max()),
                1e-12,
                source=_SOURCE,
            ),
            Check(
                "chords",
                "on the chords it is not: it rises by a tenth at least, on the mean",
                1.1 - float(self.chord.min()),
                source=_SOURCE,
            ),
            Check(
                "corrected bound",
                "no point of a chord is further from its curve than the corrected Theorem 6.2 says",
                float((excess / self.shapes[..., FIGURES.index("chord")]).max()),
                1e-9,
                source="erratum E1",
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """A panel for each network."""
        ts = torch.linspace(0, 1, self.settings.points).tolist()
        panels = [
            chart(
                name,
                Axis("t"),
                Axis("loss"),
                [
                    _band("chord", ts, self.losses[k, :, 1], "red"),
                    _band("curve", ts, self.losses[k, :, 0], "teal"),
                ],
                width=420,
            )
            for k, name in enumerate(self.settings.networks)
        ]
        return {"symmetry_curves": beside("Curves of the group, and their chords", *panels)}

    def __str__(self) -> str:
        rows = [
            [
                name,
                f"{int(self.directions[k])}",
                f"{float(self.drift[k]):.1e}",
                f"{float(self.chord[k]):.3g}",
                *(f"{float(v):.3g}" for v in self.shapes[k].mean(0)[: len(FIGURES) - 1]),
            ]
            for k, name in enumerate(self.settings.networks)
        ]
        head = ("network", "directions", "drift", "chord over start", *FIGURES[:-1])
        return table(head, rows)


def _band(name: str, ts: list[float], losses: Tensor, tone: str) -> Series:
    low, high = losses.amin(0).tolist(), losses.amax(0).tolist()
    return Series(name, ts, losses.mean(0).tolist(), tone, low, high, dots=False)


def perform(bench: Bench, settings: Settings) -> Curves:
    """A step for each training, and one for the curves of each network."""
    parts = []
    for k, name in enumerate(settings.networks):
        bench.tell(name, k, len(settings.networks))
        work = partial(_curves, bench, settings, name, settings.scales[k])
        parts.append(bench.step(f"{name}-curves", work))
    stacked = {key: torch.stack([part[key] for part in parts]) for key in parts[0]}
    return Curves(settings, **stacked)


def _curves(bench: Bench, settings: Settings, name: str, scale: float) -> Params:
    task = _TASKS[name]()
    batch = {"epochs": settings.epochs, "lr": 3e-3, "name": f"{name}-trained"}
    start = task.trained(bench, bench.seed, **batch)  # type: ignore[arg-type]
    model = task.fresh()
    symmetry = discover(model, task.x[:1])
    wide = double(start)
    shown = (task.x_test[: settings.shown], task.y_test[: settings.shown])
    loss = Loss(model, [shown], task.criterion, {}, dtype=torch.float64)
    ts = [k / (settings.points - 1) for k in range(settings.points)]
    losses, shapes = [], []
    for curve in range(settings.curves):
        element = symmetry.sample(seed=bench.seed + curve, scale=scale)
        path = OrbitPath(symmetry, element, wide)
        both = (path, Line(path(0.0), path(1.0)))
        losses.append([[one.loss for one in loss.along(way, ts)] for way in both])
        found = chord_bound(path, pieces=64).evidence
        shapes.append([float(found[key]) for key in FIGURES])
    return {
        "losses": torch.tensor(losses, dtype=torch.float64),
        "shapes": torch.tensor(shapes, dtype=torch.float64),
        "directions": torch.tensor(symmetry.lie_dim),
    }


_TASKS: Mapping[str, Callable[[], Task]] = {
    "mlp": lambda: digits_perceptron(48, 48),
    "cnn": digits_convolution,
    "gpt": lambda: tiny_gpt().fewer(4000),
}


symmetry_curves = Experiment(
    "zhao2025.symmetry_curves",
    "Exact curves of the whole group on trained networks, and their chords",
    _SOURCE,
    {
        Scale.SMOKE: Settings(("mlp",), (1.5,), 1, curves=2, points=11, shown=100),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(epochs=20, curves=20, points=101, shown=500),
    },
    perform,
    ("The networks, their data and the size of the group elements are ours.",),
)
"""Every curve is flat to rounding, also of the networks that the paper has none of."""
