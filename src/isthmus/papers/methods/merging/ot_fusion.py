"""OT fusion: two networks averaged by transport plans, of equal widths and of other ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from isthmus.alignment import TransportFusion
from isthmus.discovery import discover
from isthmus.ground import Params, double
from isthmus.merging import Average, merge
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, chart
from isthmus.papers.methods.merging.networks import accuracy, apart, percent, steps
from isthmus.papers.methods.method import Measured
from isthmus.papers.tasks import Task, image_perceptron

_SOURCE = "Singh and Jaggi 2020, OTFusion (NeurIPS)"
KINDS = ("plain mean", "equal widths", "from a wider")
_TONES = ("amber", "blue", "teal")


@dataclass(frozen=True)
class Settings:
    """Two networks of one width, and a wider one.

    Attributes:
        fashion: On Fashion-MNIST; else on digits.
        width: Of both hidden layers; ``wider`` of the third network's.
        samples: For training; ``tests`` for accuracies.
        epochs: Of each training.
        shares: How many shares of the second model in the mean are looked at.
        learned: Whether that is enough for the claims on accuracies.
    """

    fashion: bool = True
    width: int = 96
    wider: int = 160
    samples: int = 5000
    tests: int = 2000
    epochs: int = 8
    shares: int = 9
    learned: bool = True

    def task(self, width: int) -> Task:
        """The network of this width with its data."""
        return image_perceptron(self.fashion, width, width).fewer(self.samples, self.tests)


@dataclass(frozen=True)
class Fused(Measured):
    """Test accuracies by the share of the second model.

    Attributes:
        settings: What was run.
        accuracies: ``(3, shares)``, in the order of `KINDS`.
        wider: Accuracy of the wider network itself.
        off: By how much a model fused with itself in another order, and with itself with every
            hidden unit doubled, is another, relative, in float64.
    """

    settings: Settings
    accuracies: Tensor
    wider: Tensor
    off: Tensor

    def arrays(self) -> Params:
        """All tensors."""
        return {"accuracies": self.accuracies, "wider": self.wider, "off": self.off}

    @property
    def _half(self) -> list[float]:
        return [float(v) for v in self.accuracies[:, self.accuracies.shape[1] // 2]]

    @property
    def measured(self) -> str:
        """In the middle."""
        plain, equal, other = self._half
        return (
            f"accuracy of the mean: plain {percent(plain)}, fused {percent(equal)}, fused with a "
            f"wider network ({self.settings.wider} units on {self.settings.width}) "
            f"{percent(other)}; ends {percent(float(self.accuracies[0, 0]))}, "
            f"{percent(float(self.accuracies[0, -1]))} and {percent(float(self.wider))}"
        )

    def check(self) -> list[Check]:
        """Identities; then fusing against the plain mean."""
        exact = [
            Check(name, claim, float(off), 1e-9, source=_SOURCE)
            for (name, claim), off in zip(_IDENTITIES, self.off, strict=True)
        ]
        if not self.settings.learned:
            return exact
        plain, equal, other = self._half
        return [
            *exact,
            Check(
                "equal widths",
                "fused by transport, the mean is more accurate than the plain one by 10 points",
                0.1 - (equal - plain),
                source=_SOURCE,
            ),
            Check(
                "other widths",
                "fused with a wider network it is too, where there is no plain mean at all",
                0.1 - (other - plain),
                source=_SOURCE,
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """Accuracy by share."""
        shares = steps(self.accuracies.shape[1])
        lines = [
            Series(kind, shares, row.tolist(), tone)
            for kind, tone, row in zip(KINDS, _TONES, self.accuracies, strict=True)
        ]
        axis = Axis("share of the second network")
        return {"ot_fusion": chart("Two networks fused", axis, Axis("test accuracy"), lines)}

    def __str__(self) -> str:
        shares = [f"{share:.2f}" for share in steps(self.accuracies.shape[1])]
        rows = [
            [kind, *map(percent, row)]
            for kind, row in zip(KINDS, self.accuracies.tolist(), strict=True)
        ]
        return table(("share of the second", *shares), rows)


_IDENTITIES = (
    ("own orbit", "a model fused with itself in another order of units is itself"),
    ("doubled", "a model fused with itself, every hidden unit doubled, is itself"),
)


def perform(bench: Bench, settings: Settings) -> Fused:
    """Three trainings, and one step with all that is measured."""
    task, wide_task = settings.task(settings.width), settings.task(settings.wider)
    seeds = (2 * bench.seed, 2 * bench.seed + 1)
    a, b = (
        task.trained(bench, seed, epochs=settings.epochs, name=f"narrow-{k}")
        for k, seed in enumerate(seeds)
    )
    c = wide_task.trained(bench, seeds[1], epochs=settings.epochs, name="wide")
    return Fused(
        settings, **bench.step("measured", lambda: _measure(settings, (task, wide_task), a, b, c))
    )


def _measure(
    settings: Settings, tasks: tuple[Task, Task], a: Params, b: Params, c: Params
) -> Params:
    narrow, wider = (discover(task.fresh(), task.x[:1]) for task in tasks)
    rows = []
    for share in steps(settings.shares):
        shares = (1 - share, share)
        fuse = TransportFusion(shares)
        rows.append(
            [
                merge([a, b], Average(shares)),
                fuse([a, b], [narrow, narrow]),
                fuse([a, c], [narrow, wider]),
            ]
        )
    task = tasks[0]
    return {
        "accuracies": torch.tensor(
            [[accuracy(task, one) for one in row] for row in rows]
        ).T.contiguous(),
        "wider": torch.tensor(accuracy(tasks[1], c)),
        "off": torch.tensor(_off(settings, task, a)),
    }


def _off(settings: Settings, task: Task, a: Params) -> tuple[float, float]:
    """Against what a fusion should not change."""
    symmetry, one = discover(task.fresh(), task.x[:1]), double(a)
    order = torch.randperm(settings.width, generator=torch.Generator().manual_seed(0))
    first, middle, last = (n.removesuffix(".weight") for n in a if n.endswith(".weight"))
    moved = _reordered(one, (first, middle, last), order, 1)
    doubled = _reordered(one, (first, middle, last), order.repeat_interleave(2), 2)
    twice = discover(settings.task(2 * settings.width).fresh(), task.x[:1])
    fuse = TransportFusion()
    return (
        apart(fuse([one, moved], [symmetry, symmetry]), one),
        apart(fuse([one, doubled], [symmetry, twice]), one),
    )


def _reordered(params: Params, layers: tuple[str, str, str], order: Tensor, times: int) -> Params:
    """Hidden units taken in this order; what reads them divided by how often each is taken."""
    first, middle, last = layers
    found = dict(params)
    for layer in (first, middle):
        found |= {f"{layer}.{part}": found[f"{layer}.{part}"][order] for part in ("weight", "bias")}
    for layer in (middle, last):
        found[f"{layer}.weight"] = found[f"{layer}.weight"][:, order] / times
    return found


ot_fusion = Experiment(
    "methods.ot_fusion",
    "Networks of equal and of other widths fused by optimal transport",
    _SOURCE,
    {
        Scale.SMOKE: Settings(False, 16, 24, 400, 200, epochs=2, shares=3, learned=False),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(width=512, wider=1024, samples=60000, tests=10000, epochs=15),
    },
    perform,
    ("The source fuses VGG11 and ResNet18 on CIFAR-10; perceptrons are ours.",),
)
"""The reference keeps its width, whatever that of the other."""
