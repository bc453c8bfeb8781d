"""Layer by layer: one layer interpolated alone, and features between those of the ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import Tensor
from torch.func import functional_call

from isthmus.alignment import align
from isthmus.ground import Params, double
from isthmus.landscape import Line, Loss, feature_connectivity, layer_barriers
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, beside, chart
from isthmus.papers.methods.connectivity.ways import Networks
from isthmus.papers.methods.method import Measured, Method

ADILOVA = "Adilova et al. 2024, ICLR"
ZHOU = "Zhou et al. 2023, NeurIPS"
NAMES = ("single", "whole", "last", "cosine", "first", "errors")
PAIRS = ("as they are", "aligned")


@dataclass(frozen=True)
class Settings(Networks):
    """Two networks, as they are and aligned."""

    hidden: tuple[int, ...] = (128, 128, 128)


@dataclass(frozen=True)
class Layers(Measured):
    """Of both pairs, ``(2, ...)``: as they are, and aligned.

    Attributes:
        settings: What was run.
        single: How far the loss rises above the mean of the ends where one layer is the mean of
            both networks' and all others are of one, the larger of both ways: ``(2, layers)``.
        whole: The same where all layers are: ``(2,)``.
        last: The barrier where the last layer alone is interpolated: ``(2,)``.
        cosine: At t = 1/2, of the outputs of each linear layer with the mix: ``(2, layers)``.
        first: How far that cosine, and the coefficient, are from 1 at the first layer, which is
            affine in its weights.
        errors: Test errors of a, of the model at t = 1/2, of b, and of the mix of the outputs of
            a and b: ``(2, 4)``.
    """

    settings: Settings
    single: Tensor = field(metadata={"json": False})
    whole: Tensor
    last: Tensor
    cosine: Tensor = field(metadata={"json": False})
    first: Tensor
    errors: Tensor

    def arrays(self) -> Params:
        """All of it."""
        return {name: getattr(self, name) for name in NAMES}

    def check(self) -> list[Check]:
        """What is exact, then what the sources report."""
        ends = self.errors[:, 0] + self.errors[:, 2]
        checks = [
            Check(
                "convex layer",
                "the loss is convex in the last layer alone, so that layer has no barrier",
                float(self.last.max()),
                1e-9,
                source=ADILOVA,
            ),
            Check(
                "affine layer",
                "at the first layer, features between are the mix of those of the ends",
                float(self.first.max()),
                1e-9,
                source=ZHOU,
            ),
            Check(
                "twice the error",
                "the mix of the outputs of two models errs at most as often as both together",
                float((self.errors[:, 3] - ends).max()),
                source=ZHOU,
            ),
        ]
        if not self.settings.fashion:
            return checks
        most = float(self.single[0].max() / self.whole[0])
        claim = "to average any single layer costs less than three quarters of what all cost"
        checks.append(Check("single layers", claim, most, 0.75, source=ADILOVA))
        claim = "between aligned networks the cosine is at least 0.9 in every layer"
        checks.append(Check("features", claim, 0.9 - float(self.cosine[1].min()), source=ZHOU))
        claim = "between aligned networks the error is at most that of both together"
        over = float(self.errors[1, 1] - ends[1])
        return [*checks, Check("path", claim, over, source=ZHOU)]

    @property
    def measured(self) -> str:
        """Barriers of single layers, and cosines."""
        single, cosine = self.single.amax(1), self.cosine.amin(1)
        return (
            f"{self.settings}: test loss above the ends with one layer averaged, at most "
            f"{float(single[0]):.3f}, with all {float(self.whole[0]):.3f} (aligned "
            f"{float(single[1]):.3f} and {float(self.whole[1]):.3f}); smallest "
            f"cosine of features in the middle {float(cosine[1]):.3f} aligned, "
            f"{float(cosine[0]):.3f} as they are"
        )

    def draw(self) -> Mapping[str, Picture]:
        """Barriers and cosines by layer."""
        places = list(range(1, self.single.shape[1] + 1))
        axis = Axis("layer")
        panels = [
            chart(title, axis, Axis(label), [
                Series(name, places, row.tolist(), tone)
                for name, row, tone in zip(PAIRS, rows, ("red", "teal"), strict=True)
            ])
            for title, label, rows in (
                ("One layer averaged", "test loss above the ends", self.single),
                ("Features in the middle of the line", "cosine with the mix", self.cosine),
            )
        ]  # fmt: skip
        return {"layers": beside("Layer by layer", *panels)}

    def __str__(self) -> str:
        rows = [
            (
                name,
                *(f"{float(v):.4f}" for v in self.single[k]),
                f"{float(self.whole[k]):.4f}",
                *(f"{float(v):.3f}" for v in self.cosine[k]),
            )
            for k, name in enumerate(PAIRS)
        ]
        count = range(1, self.single.shape[1] + 1)
        head = ("", *(f"layer {k}" for k in count), "all", *(f"cosine {k}" for k in count))
        return table(head, rows)


def perform(bench: Bench, settings: Settings) -> Layers:
    """Two trainings, and a step for each pair."""
    a, b = map(double, settings.trained(bench, 2))
    moved = align(b, to=a, symmetry=settings.symmetry(), seed=bench.seed).params
    loss = replace(settings.task().loss(test=True), dtype=torch.float64)
    parts = [
        bench.step(name.replace(" ", "-"), partial(_looked, loss, a, other))
        for name, other in zip(PAIRS, (b, moved), strict=True)
    ]
    return Layers(settings, **{name: torch.stack([part[name] for part in parts]) for name in NAMES})


def _looked(loss: Loss, a: Params, b: Params) -> Params:
    """What `Layers` holds of one pair."""
    layers = layer_barriers(loss, a, b)
    ends = (loss(a) + loss(b)) / 2
    single = [
        max(way[name].losses[len(way[name].losses) // 2] for way in (layers.from_a, layers.from_b))
        for name in layers.from_a
    ]
    first, *_, final = layers.from_a
    seen = feature_connectivity(loss, Line(a, b), (0.5,), list(layers.from_a))
    middle = [loss.evaluate(Line(a, b)(t)).metrics["accuracy"] for t in (0.0, 0.5, 1.0)]
    rows: dict[str, object] = {
        "single": [value - ends for value in single],
        "whole": loss(Line(a, b)(0.5)) - ends,
        "last": max(layers.from_a[final].height, layers.from_b[final].height),
        "cosine": [row[0] for row in seen.cosine.values()],
        "first": max(abs(1 - row[first][0]) for row in (seen.cosine, seen.coefficient)),
        "errors": [*(1 - right for right in middle), _mixed_error(loss, a, b)],
    }
    return {name: torch.tensor(row, dtype=torch.float64) for name, row in rows.items()}


def _mixed_error(loss: Loss, a: Params, b: Params) -> float:
    """How often the mean of the outputs of two models is wrong."""
    wrong, samples = 0, 0
    for x, y in loss.batches:
        assert isinstance(x, Tensor)
        assert isinstance(y, Tensor)
        one, two = (functional_call(loss.model, params, (x.double(),)) for params in (a, b))
        wrong, samples = wrong + int(((one + two).argmax(-1) != y).sum()), samples + len(y)
    return wrong / samples


layers = Experiment(
    "methods.layers",
    "Single layers averaged, and features between those of the ends",
    f"{ADILOVA}; {ZHOU}",
    {
        Scale.SMOKE: Settings.small(),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(hidden=(512, 512, 512), samples=60000, tests=10000, epochs=20),
    },
    perform,
    ("The sources train convolutional networks too; ours are small perceptrons.",),
)
"""Both look at the same two pairs."""

METHODS: tuple[Method, ...] = (
    Method(
        "Layer-wise connectivity",
        ADILOVA,
        "`isthmus.layer_barriers`",
        "Barriers are nearly absent where one layer is interpolated, largest for middle groups",
        layers,
    ),
    Method(
        "Layerwise linear feature connectivity",
        ZHOU,
        "`isthmus.feature_connectivity`",
        "Where two networks are linearly connected, so are their features in almost all layers; "
        "then errors on the line are at most twice those of the ends",
        layers,
    ),
)
"""What is measured here."""
