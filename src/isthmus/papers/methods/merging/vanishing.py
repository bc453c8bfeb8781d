"""Vanishing features: what of a merged network still depends on its input, and three remedies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from isthmus.ground import Params, double
from isthmus.landscape import Loss
from isthmus.merging import (
    BiasCalibration,
    PartialMerge,
    Renormalise,
    Trunks,
    early_layers,
    merge,
    vanishing_features,
)
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, beside, chart
from isthmus.papers.methods.merging.networks import (
    Perceptrons,
    accuracy,
    aligned_pair,
    apart,
    percent,
)
from isthmus.papers.methods.method import Measured
from isthmus.papers.tasks import Task
from isthmus.testing.datasets import batches
from isthmus.testing.training import accuracy as share_right

_SOURCE = "Qu and Horvath 2025, Vanishing feature (CPAL)"
KINDS = ("unaligned", "aligned", "bias calibration", "REPAIR")
_TONES = ("amber", "blue", "purple", "green")


@dataclass(frozen=True)
class Settings(Perceptrons):
    """Two perceptrons.

    Attributes:
        epochs: Of each training.
        learned: Whether that is enough for the claims.
    """

    depth: int = 6
    epochs: int = 15
    learned: bool = True


@dataclass(frozen=True)
class Vanished(Measured):
    """What is left of the input layer by layer, and accuracies.

    Attributes:
        settings: What was run.
        left: ``(4, layers)``: the size of what depends on the input, over that of the ends, for the
            linear layers of the means of `KINDS`.
        accuracies: ``(4,)``, of the same.
        kept: ``(2, layers + 1)``: accuracy with so many first layers kept, of the first model
            (`PartialMerge`) and of both (`Trunks`), the rest being the aligned mean.
        ends: The mean accuracy of both models.
        exact: How far off are: all layers kept from the first model; one trunk from kept layers.
    """

    settings: Settings
    left: Tensor = field(metadata={"json": False})
    accuracies: Tensor
    kept: Tensor
    ends: float
    exact: Tensor

    def arrays(self) -> Params:
        """All tensors."""
        return {
            "left": self.left,
            "accuracies": self.accuracies,
            "kept": self.kept,
            "exact": self.exact,
        }

    @property
    def measured(self) -> str:
        """Before and after."""
        half = self.kept.shape[1] // 2
        return (
            f"of what depends on the input {percent(float(self.left[0, -1]))} is left at the "
            f"output of the plain mean, {percent(float(self.left[1, -1]))} if aligned; accuracy "
            f"{percent(float(self.accuracies[0]))} and {percent(float(self.accuracies[1]))}, with "
            f"{half} of {self.kept.shape[1] - 1} layers of both models kept "
            f"{percent(float(self.kept[1, half]))} (ends {percent(self.ends)})"
        )

    def check(self) -> list[Check]:
        """Identities first; then that features vanish, and that keeping early ones helps."""
        exact = [
            Check(name, claim, float(off), 1e-9, source=_SOURCE)
            for (name, claim), off in zip(_IDENTITIES, self.exact, strict=True)
        ]
        if not self.settings.learned:
            return exact
        half = self.kept.shape[1] // 2
        plain = self.left[0]
        return [
            *exact,
            Check(
                "vanishing",
                "in the plain mean less is left of the input in the last layer than in the first",
                float(plain[-1] - plain[0]),
                source=_SOURCE,
            ),
            Check(
                "alignment",
                "in every layer but the first more is left in the aligned mean than in the plain",
                float((plain - self.left[1])[1:].max()),
                source=_SOURCE,
            ),
            Check(
                "preserve first",
                "with half of the layers of both models kept the mean is more accurate",
                float(self.accuracies[1] - self.kept[1, half]),
                source=_SOURCE,
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """What is left, by layer; accuracy by layers kept."""
        layers = [float(k + 1) for k in range(self.left.shape[1])]
        lines = [
            Series(kind, layers, row.tolist(), tone)
            for kind, tone, row in zip(KINDS, _TONES, self.left, strict=True)
        ]
        first = chart("What is left of the input", Axis("layer"), Axis("over the ends"), lines)
        counts = [float(k) for k in range(self.kept.shape[1])]
        rows = [
            Series(name, counts, row.tolist(), tone)
            for name, tone, row in zip(
                ("of one", "of both"), ("blue", "teal"), self.kept, strict=True
            )
        ]
        rows.append(Series("ends", counts, [self.ends] * len(counts), "grey", dash=4, dots=False))
        second = chart("First layers kept", Axis("layers kept"), Axis("test accuracy"), rows)
        return {"vanishing": beside("Features of a merged network", first, second)}

    def __str__(self) -> str:
        rows = [
            [kind, percent(float(right)), *(f"{v:.3f}" for v in row.tolist())]
            for kind, right, row in zip(KINDS, self.accuracies, self.left, strict=True)
        ]
        layers = [f"layer {k + 1}" for k in range(self.left.shape[1])]
        counts = [str(k) for k in range(self.kept.shape[1])]
        kept = [
            [name, *(percent(v) for v in row)]
            for name, row in zip(("of one", "of both"), self.kept.tolist(), strict=True)
        ]
        return "\n\n".join(
            [table(("mean", "accuracy", *layers), rows), table(("layers kept", *counts), kept)]
        )


_IDENTITIES = (
    ("all kept", "with all layers of the first model kept, the merged model is the first"),
    ("one trunk", "one trunk, merged later, is the same function as its layers kept"),
)


def perform(bench: Bench, settings: Settings) -> Vanished:
    """Two trainings, an alignment, and one step with all that is measured."""
    task = settings.task
    a, b, moved = aligned_pair(bench, task, epochs=settings.epochs, name="deep")
    found = bench.step("measured", lambda: _measure(task, a, b, moved))
    ends = (accuracy(task, a) + accuracy(task, b)) / 2
    return Vanished(settings, ends=ends, **found)


def _measure(task: Task, a: Params, b: Params, moved: Params) -> Params:
    model, shown = task.fresh(), batches(task.x, task.y, 1000)
    names = early_layers(model, task.x[:1], 1.0)
    loss, ends = Loss(model, shown, task.criterion, {}), (a, moved)
    aligned = merge(ends)
    means = [
        merge([a, b]),
        aligned,
        BiasCalibration(model, shown, ends)(aligned),
        Renormalise(model, shown, ends)(aligned),
    ]
    left = [list(vanishing_features(loss, one, ends, names).left.values()) for one in means]
    kept = [
        [accuracy(task, merge(ends, PartialMerge(names[:k]))) for k in range(len(names) + 1)],
        [accuracy(task, aligned), *(_of_both(task, ends, aligned, name) for name in names)],
    ]
    return {
        "left": torch.tensor(left, dtype=torch.float64),
        "accuracies": torch.tensor([accuracy(task, one) for one in means]),
        "kept": torch.tensor(kept),
        "exact": torch.tensor(_exact(task, ends, names)),
    }


def _of_both(task: Task, ends: tuple[Params, Params], merged: Params, at: str) -> float:
    trunks = Trunks(task.fresh(), ends, merged, at, task.x[:2])
    return share_right(trunks, task.x_test, task.y_test)


def _exact(task: Task, ends: tuple[Params, Params], names: tuple[str, ...]) -> tuple[float, float]:
    a, b = (double(one) for one in ends)
    model, x = task.fresh().double(), task.x[:50].double()
    kept = PartialMerge(names[:1])([a, b])
    trunk = Trunks(model, [a], merge([a, b]), names[0], x)
    with torch.no_grad():
        one, two = trunk(x), torch.func.functional_call(model, kept, (x,))
    whole = apart(PartialMerge(names)([a, b]), a)
    return whole, float((one - two).abs().max() / two.abs().max())


vanishing = Experiment(
    "methods.vanishing",
    "What of a merged network still depends on its input, and keeping the first layers",
    _SOURCE,
    {
        Scale.SMOKE: Settings(False, 2, 24, 400, 200, epochs=2, learned=False),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(depth=8, width=512, samples=60000, tests=10000),
    },
    perform,
    ("The source merges VGG16 and ResNets on CIFAR-10; how biases are calibrated is ours.",),
)
"""Features vanish with depth, and come back with alignment or with the first layers kept."""
