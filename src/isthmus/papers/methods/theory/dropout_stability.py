"""Dropout stability: what is left of a network when all but k of its units are dropped."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import Tensor

from isthmus.discovery import discover
from isthmus.ground import Params
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.ferbach2023.theorems.mean_field import Settings as Runs
from isthmus.papers.ferbach2023.theorems.mean_field import run, task
from isthmus.papers.figures import Axis, Picture, Series, beside, chart
from isthmus.papers.methods.method import Measured
from isthmus.papers.methods.theory.subsets import HEAVY, all_subsets, heavy, law, room
from isthmus.papers.tasks import Task, image_perceptron
from isthmus.transport import Estimate, falling, subnetworks

SOURCE = "Shevchenko and Mondelli 2020, ICML"
_TONES = ("teal", "blue", "purple", "amber")


@dataclass(frozen=True)
class Settings:
    """Mean-field runs of two layers, and a perceptron of three that is trained as usual.

    Attributes:
        runs: Of the mean-field networks: widths, repetitions and time.
        kept: Units that are kept.
        tries: Random subsets of each size.
        fashion: Whether the perceptron is trained on Fashion-MNIST; else on the digits.
        hidden: Its widths.
        kept_deep: Units that are kept of each of its layers.
        samples: Images to train on.
        epochs: Of its training.
    """

    runs: Runs
    kept: tuple[int, ...] = (4, 8, 16, 32)
    tries: int = 32
    fashion: bool = True
    hidden: tuple[int, ...] = (256, 256)
    kept_deep: tuple[int, ...] = (32, 64, 128, 192)
    samples: int = 4000
    epochs: int = 5

    @property
    def task(self) -> Task:
        """The perceptron with its data."""
        return image_perceptron(self.fashion, *self.hidden).fewer(self.samples, 500)


@dataclass(frozen=True)
class Stability(Measured):
    """How far outputs move, by units kept.

    Attributes:
        settings: What was run.
        moved: ``(widths, kept, repetitions)``: root mean squares over subsets and inputs.
        expected: The same, by the law of samples without replacement.
        heavy: ``(widths, kept, repetitions)``: by the law, where a few units carry all.
        deep: ``(kept, tries)``: of the perceptron, from all of its layers at once; over
            ``√(1 - k/n)``.
        deep_excess: ``(kept, tries)``: by how much its loss rose.
        off: At width 6, over all subsets of 3: how far their mean is from the network, and their
            mean square from the law; relative.
    """

    settings: Settings
    moved: Tensor = field(metadata={"json": False})
    expected: Tensor = field(metadata={"json": False})
    heavy: Tensor = field(metadata={"json": False})
    deep: Tensor = field(metadata={"json": False})
    deep_excess: Tensor = field(metadata={"json": False})
    off: Tensor

    def arrays(self) -> Params:
        """All tensors."""
        names = ("moved", "expected", "heavy", "deep", "deep_excess", "off")
        return {name: getattr(self, name) for name in names}

    @property
    def exponents(self) -> tuple[Estimate, ...]:
        """By width, e of ``k^-e``, beside the factor ``√(1 - k/n)``."""
        return tuple(
            falling(self.settings.kept, row / room(self.settings.kept, width))
            for row, width in zip(self.moved, self.settings.runs.widths, strict=True)
        )

    @property
    def deep_exponent(self) -> Estimate:
        """The same of the perceptron."""
        return falling(self.settings.kept_deep, self.deep)

    @property
    def measured(self) -> str:
        """In one line."""
        widths, kept = self.settings.runs.widths, self.settings.kept
        first, last = (float(self.moved[k, 0].mean()) for k in (0, -1))
        return (
            f"two layers: dropping all but k units moves outputs like k^-{self.exponents[-1]:.2f} "
            f"at width {widths[-1]}; with {kept[0]} kept by {first:.3f} at width {widths[0]} and "
            f"{last:.3f} at {widths[-1]}; three layers of {self.settings.hidden[0]}: "
            f"k^-{self.deep_exponent:.2f}"
        )

    def check(self) -> list[Check]:
        """The exact law, then the claims."""
        sampled = abs(float(self.moved.mean() / self.expected.mean()) - 1)
        laws = [
            Check(name, claim, off, tolerance, source="sampling without replacement")
            for (name, claim, tolerance), off in zip(
                _LAWS, (*self.off.tolist(), sampled), strict=True
            )
        ]
        return [*laws, *self._rates(), *self._widths(), *self._deep()]

    def _rates(self) -> list[Check]:
        return [
            Check(
                f"rate at width {width}",
                f"the error falls like k^-1/2, beside √(1 - k/n) (measured {found:.3f})",
                max(found.low - 0.5, 0.5 - found.high, 0.0),
                0.05,
                source=SOURCE,
            )
            for width, found in zip(self.settings.runs.widths, self.exponents, strict=True)
        ]

    def _widths(self) -> list[Check]:
        ratio, broken = self._growth(self.expected), self._growth(self.heavy)
        widths = self.settings.runs.widths
        ideal = math.sqrt(widths[-1] / widths[0])
        return [
            Check(
                "width",
                f"from width {widths[0]} to {widths[-1]} the error at the same k stays "
                f"({ratio:.2f} times, beside √(1 - k/n))",
                abs(math.log(ratio)),
                math.log(1.25),
                source=SOURCE,
            ),
            Check(
                "hypothesis",
                f"where {HEAVY} units carry all it does not: it grows ({broken:.2f} times, √ of "
                f"the widths' ratio is {ideal:.2f})",
                abs(math.log(broken / ideal)),
                math.log(1.5),
                source="the law, without the mean-field regime",
            ),
        ]

    def _growth(self, errors: Tensor) -> float:
        """From the first width to the last, at the same k."""
        kept, widths = self.settings.kept, self.settings.runs.widths
        first, last = (errors[k] / room(kept, widths[k]) for k in (0, -1))
        return float(last.mean() / first.mean())

    def _deep(self) -> list[Check]:
        found = self.deep_exponent
        return [
            Check(
                "three layers",
                "with units dropped from both hidden layers of a trained perceptron, the error "
                f"falls at least like k^-1/2 (measured {found:.2f})",
                0.5 - found.high,
                0.05,
                source=SOURCE,
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """Errors by units kept."""
        kept = [float(k) for k in self.settings.kept]
        curves = [
            Series(f"width {width}", kept, row.mean(1).tolist(), tone)
            for width, row, tone in zip(
                self.settings.runs.widths, self.moved, itertools.cycle(_TONES), strict=False
            )
        ]
        first = float(self.moved[-1, 0].mean())
        law = [first * math.sqrt(kept[0] / k) for k in kept]
        curves.append(Series("k^-1/2", kept, law, "soft", dash=5, dots=False))
        deep = [float(k) for k in self.settings.kept_deep]
        y = Axis("change of the outputs", log=True)
        panels = [
            chart("Two layers, mean field", Axis("units kept", log=True), y, curves),
            chart(
                "Three layers, all at once",
                Axis("units kept of each layer", log=True),
                y,
                [Series("over √(1 - k/n)", deep, self.deep.mean(1).tolist(), "red")],
            ),
        ]
        return {"dropout_stability": beside("All but k units dropped", *panels)}

    def __str__(self) -> str:
        rows = [
            [f"two layers, {width}", str(k), f"{float(self.moved[i, j].mean()):.4g}",
             f"{float(self.expected[i, j].mean()):.4g}", f"{float(self.heavy[i, j].mean()):.4g}"]
            for i, width in enumerate(self.settings.runs.widths)
            for j, k in enumerate(self.settings.kept)
        ]  # fmt: skip
        rows += [
            [f"three layers, {self.settings.hidden[0]}", str(k), f"{float(moved.mean()):.4g}", "",
             f"loss {float(rise.mean()):+.3f}"]
            for k, moved, rise in zip(
                self.settings.kept_deep, self.deep, self.deep_excess, strict=True
            )
        ]  # fmt: skip
        return table(("network", "kept", "moved", "law", f"{HEAVY} units carry all"), rows)


_LAWS = (
    ("unbiased", "the mean over all subsets of the rescaled subnetwork is the network", 1e-9),
    ("variance", "the mean square over all subsets is (1/k)(1 - k/n) S²", 1e-9),
    ("sampled", "random subsets move the outputs by what the law says, to a tenth", 0.1),
)


def perform(bench: Bench, settings: Settings) -> Stability:
    """A step for each run, for each width, and for the perceptron."""
    found = []
    for k, width in enumerate(settings.runs.widths):
        bench.tell(f"width {width}", k, len(settings.runs.widths))
        found.append(bench.step(f"width-{width}", partial(_by_width, bench, settings, width)))
    stacked = {name: torch.stack([one[name] for one in found]) for name in found[0]}
    deep = bench.step("deep", partial(_perceptron, bench, settings))
    off = bench.step("exact", partial(all_subsets, bench.seed))["off"]
    return Stability(settings, **stacked, **deep, off=off)


def _by_width(bench: Bench, settings: Settings, width: int) -> Params:
    runs = settings.runs
    rows = []
    for repetition in range(runs.repetitions):
        seed = 1000 * bench.seed + repetition + 1
        params = run(bench, runs, width, seed)
        loss = task(runs, width, seed).loss(test=True)
        symmetry = discover(loss.model, torch.zeros(2, runs.inputs, dtype=torch.float64))
        found, broken = (
            subnetworks(loss, one, symmetry, settings.kept, tries, seed=seed)
            for one, tries in ((params, settings.tries), (heavy(params), 2))
        )
        rows.append((found.moved.square().mean(1).sqrt(), law(found), law(broken)))
    columns = [torch.stack(column, 1) for column in zip(*rows, strict=True)]
    return dict(zip(("moved", "expected", "heavy"), columns, strict=True))


def _perceptron(bench: Bench, settings: Settings) -> Params:
    given = settings.task
    params = given.trained(bench, bench.seed, epochs=settings.epochs)
    symmetry = discover(given.fresh(), given.x[:1])
    loss = given.loss(test=True)
    found = subnetworks(loss, params, symmetry, settings.kept_deep, settings.tries)
    beside = room(settings.kept_deep, found.width)
    return {"deep": found.moved / beside, "deep_excess": found.excess}


_RUNS = Runs((64, 256, 1024), 3)

dropout_stability = Experiment(
    "methods.dropout_stability",
    "What is left when all but k units are dropped",
    SOURCE,
    {
        Scale.SMOKE: Settings(
            Runs((32, 128), 2, pace=0.1, time=3.0, shown=20), (2, 4, 8), 16, False, (64, 64),
            (8, 16, 32), 300, 4,
        ),
        Scale.QUICK: Settings(_RUNS),
        Scale.PAPER: Settings(
            replace(_RUNS, widths=(64, 256, 1024, 4096), repetitions=10, pace=0.005),
            (4, 8, 16, 32, 48), 100, True, (800, 800), (50, 100, 200, 400), 60000, 15,
        ),
    },
    perform,
    (
        "Targets, sizes and times are ours; the source's are not at hand (its abstract alone).",
        (
            "The rescaled subnetwork is the mean of a sample without replacement: in the root mean "
            "square over subsets the rate is exact, for any network. What the mean-field regime "
            "adds is that the constant does not grow with the width."
        ),
    ),
)  # fmt: skip
"""Errors by units kept, with the law that they follow."""
