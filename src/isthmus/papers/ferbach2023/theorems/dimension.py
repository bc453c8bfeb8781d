"""Why matching works at practical widths: dimensions of layers along a training (section 6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor

from isthmus.discovery import discover
from isthmus.ground import Params
from isthmus.ground.matrices import factor
from isthmus.papers.bench import Bench, Check, Experiment, Findings, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.ferbach2023.comparison import METRICS
from isthmus.papers.ferbach2023.layers import dimensions, input_moments, layers
from isthmus.papers.ferbach2023.theorems.rates import matching_cost
from isthmus.papers.figures import Axis, Picture, Series, beside, chart
from isthmus.papers.tasks import Task, digits_perceptron, fashion_perceptron
from isthmus.testing.datasets import batches
from isthmus.transport import effective_dimension

_SOURCE = "Ferbach, Goujaud, Gidel and Dieuleveut 2024, approximate dimension"
_UNIFORM = 9 / 5
"""``E w⁴ / (E w²)²`` of a uniform number: PyTorch's weights at the start."""

_TONES = ("teal", "amber", "purple")


@dataclass(frozen=True)
class Settings:
    """Two trainings, looked at after some epochs.

    Attributes:
        digits: Whether on digits; else on Fashion-MNIST.
        hidden: Widths.
        samples: That are trained on.
        epochs: After which the networks are looked at, from 0.
        seen: Samples of the second moments.
    """

    digits: bool = False
    hidden: tuple[int, ...] = (256, 256)
    samples: int = 6000
    epochs: tuple[int, ...] = (0, 1, 2, 4, 8)
    seen: int = 2000


@dataclass(frozen=True)
class Dimensions(Findings):
    """Trace ratios along the training, and what matching removes of the first layers' distance.

    Attributes:
        settings: What was run.
        inputs: What the first layer takes.
        ratios: ``(epochs, metrics, hidden layers)``: of the weights, of the weights on the data, of
            the activations; the mean of two networks.
        left: ``(epochs, 2)``: cost of the best permutation of the first layers over that of a
            random one, of the weights and of the weights on the data.
        apart: The largest relative difference, over both networks, of the first layer's ratio on
            the data from that of the rows ``W Σ^½``.
    """

    settings: Settings
    inputs: int
    ratios: Tensor = field(metadata={"json": False})
    left: Tensor = field(metadata={"json": False})
    apart: float

    def arrays(self) -> Params:
        """All of it."""
        return {"ratios": self.ratios, "left": self.left, "apart": torch.tensor(self.apart)}

    @property
    def start(self) -> Tensor:
        """The trace ratios of independent uniform weights, ``n d / (n + d - 2 + 9/5)``."""
        pairs = torch.tensor(list(pairwise((self.inputs, *self.settings.hidden))))
        return pairs.double().prod(1) / (pairs.double().sum(1) - 2 + _UNIFORM)

    def check(self) -> list[Check]:
        """A closed form, an identity, and what explains that matching works."""
        share = float((self.ratios[:, 1] / self.ratios[:, 0]).max())
        off = float((self.ratios[0, 0] / self.start - 1).abs().max())
        fall = float((self.ratios[-1, 0] / self.ratios[0, 0]).max())
        gain = float((self.left[:, 1] / self.left[:, 0]).max())
        return [
            Check(
                "start",
                "before training the weights have the dimension of independent ones, "
                "n d / (n + d - 0.2)",
                off,
                0.02,
                source="closed form",
            ),
            Check(
                "one ratio",
                "tr(S)² / tr(S²) of W Σ Wᵀ is that of the rows W Σ^½ (relative)",
                self.apart,
                1e-9,
                source="mathematics.md 2.7",
            ),
            Check(
                "low-dimensional on data",
                "on the data layers have less than a fifth of the dimension of their weights, all "
                f"along (largest share {share:.1%})",
                share - 0.2,
                source=_SOURCE,
            ),
            Check(
                "weights lose dimension",
                f"training lowers the dimension of the weights of every layer (to {fall:.0%} at "
                "most)",
                fall - 1,
                source=_SOURCE,
            ),
            Check(
                "so matching works",
                "where the dimension is low matching does more: on the data the best permutation "
                "leaves a smaller share of a random one's cost than in the weights as they are, "
                f"all along (at most {gain:.0%} of that share)",
                gain - 1,
                source=_SOURCE,
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """A panel for each metric, and one for matching."""
        at = Axis("epochs")
        epochs = self.settings.epochs
        panels = [
            chart(
                metric,
                at,
                Axis("tr(S)² / tr(S²)"),
                [
                    Series(f"layer {k + 1}", epochs, values.tolist(), _TONES[k % 3])
                    for k, values in enumerate(self.ratios[:, number].mT)
                ],
                width=400,
            )
            for number, metric in enumerate(METRICS)
        ]
        lines = [
            Series(name, epochs, self.left[:, k].tolist(), tone)
            for k, (name, tone) in enumerate((("weights", "red"), ("on the data", "teal")))
        ]
        panels.append(chart("What matching leaves", at, Axis("share of the cost"), lines))
        return {"dimension": beside("Dimensions along a training", *panels, columns=2)}

    def __str__(self) -> str:
        head = ("after epochs", *map(str, self.settings.epochs))
        rows = [
            [f"{metric}, layer {k + 1}", *(f"{v:.1f}" for v in values.tolist())]
            for number, metric in enumerate(METRICS)
            for k, values in enumerate(self.ratios[:, number].mT)
        ]
        rows += [
            [f"left by matching, {name}", *(f"{v:.3f}" for v in self.left[:, k].tolist())]
            for k, name in enumerate(METRICS[:2])
        ]
        return table(head, rows)


def perform(bench: Bench, settings: Settings) -> Dimensions:
    """A step for each piece of a training, and one for what is measured after it."""
    make = digits_perceptron if settings.digits else fashion_perceptron
    task = make(*settings.hidden).fewer(settings.samples)
    parts, pair = [], [dict(task.fresh(seed).state_dict()) for seed in _seeds(bench)]
    for before, epochs in pairwise((0, *settings.epochs)):
        bench.tell(f"epoch {epochs}", epochs, settings.epochs[-1])
        pair = [
            task.trained(
                bench, seed, epochs=epochs - before, start=one, name=f"network-{seed}-{epochs}"
            )
            for seed, one in zip(_seeds(bench), pair, strict=True)
        ]
        work = partial(_measured, settings, task, pair)
        parts.append(bench.step(f"measured-{epochs}", work))
    stacked = {name: torch.stack([part[name] for part in parts]) for name in parts[0]}
    inputs = task.x[0].numel()
    apart = float(stacked["apart"].max())
    return Dimensions(settings, inputs, stacked["ratios"], stacked["left"], apart)


def _seeds(bench: Bench) -> tuple[int, int]:
    return 2 * bench.seed, 2 * bench.seed + 1


def _measured(settings: Settings, task: Task, pair: list[Params]) -> Params:
    model = task.fresh()
    symmetry = discover(model, task.x[:2])
    row = layers(symmetry)
    seen = batches(task.x[: settings.seen], task.y[: settings.seen], 500)
    moments = [input_moments(model, seen, symmetry, row, one) for one in pair]
    found = [dimensions(one, row, two) for one, two in zip(pair, moments, strict=True)]
    root = factor(moments[0][0])
    weights = [one[row[0].weight].double() for one in pair]
    rows = [weight @ root for weight in weights]
    own = [effective_dimension(one).value for one in rows]
    felt = [float(one[1, 0]) for one in found]
    apart = max(abs(x / y - 1) for x, y in zip(own, felt, strict=True))
    return {
        "ratios": torch.stack(found).mean(0),
        "left": torch.tensor([_left(weights), _left(rows)]).double(),
        "apart": torch.tensor(apart, dtype=torch.float64),
    }


def _left(pair: list[Tensor]) -> float:
    """What the best permutation costs over a random one: the mean over all pairs."""
    one, two = pair
    every = torch.cdist(one, two).square().mean()
    return matching_cost(one, two) / float(every)


dimension = Experiment(
    "ferbach2023.dimension",
    "On the data layers have few dimensions, all along the training",
    _SOURCE,
    {
        Scale.SMOKE: Settings(True, (32, 32), 600, (0, 4), 300),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(
            hidden=(512, 512, 512), samples=60000, epochs=(0, 1, 2, 5, 10, 20, 50), seen=60000
        ),
    },
    perform,
    (
        (
            "The paper shows dimensions by learning rate at the end of a training: that is "
            "ferbach2023.learning_rates. Here they are followed along one; the networks are "
            "ours."
        ),
        "The cost that matching leaves is that of the first layers, whose inputs are the same.",
        "The optimiser, Adam, begins anew wherever the networks are looked at.",
    ),
)
"""Trace ratios of weights, weights on data and activations by epoch."""
