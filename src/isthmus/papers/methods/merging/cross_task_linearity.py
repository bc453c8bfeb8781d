"""Cross-task linearity: features between two fine-tunes of one base, and between strangers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.func import functional_call

from isthmus.ground import Params, double, lerp
from isthmus.landscape import Line, feature_connectivity
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, beside, chart
from isthmus.papers.methods.merging.networks import Perceptrons, aligned_pair
from isthmus.papers.methods.method import Measured
from isthmus.papers.tasks import Task

_SOURCE = "Zhou, Chen, Chen, Yang, Xu, Hu and Yan 2024, Cross-task linearity (ICML)"
KINDS = ("fine-tunes", "aligned", "strangers")
_TONES = ("teal", "blue", "red")


@dataclass(frozen=True)
class Settings(Perceptrons):
    """Two fine-tunes of a base, each for half of the classes, and two networks trained apart.

    Attributes:
        epochs: Of the base and the networks apart, and of each fine-tune.
        learned: Whether that is enough for the claims.
    """

    depth: int = 3
    width: int = 128
    tests: int = 1000
    epochs: tuple[int, int] = (6, 4)
    learned: bool = True


@dataclass(frozen=True)
class Linearity(Measured):
    """Features in the middle against the mean of those at the ends, by linear layer.

    Attributes:
        settings: What was run.
        cosine: ``(3, layers)``: one minus the mean cosine, in the order of `KINDS`.
        ratio: ``(3, layers)``: the coefficient of the mean.
        off: By how much a linear layer misses the mean where all before it is shared, relative.
    """

    settings: Settings
    cosine: Tensor
    ratio: Tensor
    off: Tensor

    def arrays(self) -> Params:
        """All tensors."""
        return {"cosine": self.cosine, "ratio": self.ratio, "off": self.off}

    @property
    def measured(self) -> str:
        """The last layer."""
        tuned, aligned, strangers = self.cosine[:, -1].tolist()
        return (
            f"1 - cosine in the last layer: fine-tunes {tuned:.4f}, strangers {strangers:.4f}, "
            f"aligned {aligned:.4f}; length over the mean's {float(self.ratio[0, -1]):.3f}, "
            f"{float(self.ratio[2, -1]):.3f} and {float(self.ratio[1, -1]):.3f}"
        )

    def check(self) -> list[Check]:
        """An identity, then fine-tunes against strangers."""
        exact = Check(
            "shared below",
            "where two models share all layers below, the features of a linear layer are the mean",
            float(self.off),
            1e-9,
            source=_SOURCE,
        )
        if not self.settings.learned:
            return [exact]
        return [
            exact,
            Check(
                "directions",
                "in every layer but the first the features of fine-tunes point a tenth as far from "
                "the mean as those of strangers, at most",
                float((self.cosine[0] / self.cosine[2])[1:].max()) - 0.1,
                source=_SOURCE,
            ),
            Check(
                "lengths",
                "in every layer the features of fine-tunes are as long as the mean, to a tenth",
                float((self.ratio[0] - 1).abs().max()) - 0.1,
                source=_SOURCE,
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """Both, by layer."""
        layers = [float(k + 1) for k in range(self.cosine.shape[1])]
        panels = [
            chart(
                title,
                Axis("layer"),
                Axis(label),
                [
                    Series(kind, layers, row.tolist(), tone)
                    for kind, tone, row in zip(KINDS, _TONES, rows, strict=True)
                ],
            )
            for title, label, rows in (
                ("Directions", "1 - cosine", self.cosine),
                ("Lengths", "over the mean's", self.ratio),
            )
        ]
        title = "Features in the middle against the mean of the ends'"
        return {"cross_task_linearity": beside(title, *panels)}

    def __str__(self) -> str:
        rows = [
            [kind, *(f"{c:.4f} / {r:.3f}" for c, r in zip(cosine, ratio, strict=True))]
            for kind, cosine, ratio in zip(
                KINDS, self.cosine.tolist(), self.ratio.tolist(), strict=True
            )
        ]
        layers = [f"layer {k + 1}" for k in range(self.cosine.shape[1])]
        return table(("1 - cosine / length", *layers), rows)


def perform(bench: Bench, settings: Settings) -> Linearity:
    """Four trainings, an alignment, and one step with all that is measured."""
    task, (first, then) = settings.task, settings.epochs
    a, b, moved = aligned_pair(bench, task, epochs=first, name="apart")
    tuned = [
        part.trained(bench, bench.seed + k, epochs=then, start=a, name=f"tuned-{k}")
        for k, part in enumerate((_of_classes(task, range(5)), _of_classes(task, range(5, 10))))
    ]
    pairs = ((tuned[0], tuned[1]), (a, moved), (a, b))
    return Linearity(settings, **bench.step("measured", lambda: _measure(task, pairs)))


def _measure(task: Task, pairs: tuple[tuple[Params, Params], ...]) -> Params:
    model = task.fresh()
    layers = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    loss = task.loss(test=True)

    found = [feature_connectivity(loss, Line(*pair), [0.5], layers) for pair in pairs]
    return {
        "cosine": 1 - torch.tensor([[one.cosine[n][0] for n in layers] for one in found]),
        "ratio": torch.tensor([[one.coefficient[n][0] for n in layers] for one in found]),
        "off": torch.tensor(_off(task, *pairs[0])),
    }


def _off(task: Task, a: Params, b: Params) -> float:
    """The last layer halfway to a model that differs in it alone, against the mean of both.

    Run plainly: `feature_connectivity` computes a layer that moves on a line by this very rule.
    """
    one, two = double(a), double(b)
    layers = [name.removesuffix(".weight") for name in one if name.endswith(".weight")]
    last = {n: two[n] if n.startswith(f"{layers[-1]}.") else one[n] for n in one}
    model, x = task.fresh().double(), task.x_test.double()
    with torch.no_grad():
        first, middle, second = (
            functional_call(model, p, (x,)) for p in (one, lerp(one, last, 0.5), last)
        )
    mean = (first + second) / 2
    return float((middle - mean).norm() / mean.norm())


def _of_classes(task: Task, classes: range) -> Task:
    kept = torch.isin(task.y, torch.tensor(classes))
    return replace(task, x=task.x[kept], y=task.y[kept])


cross_task_linearity = Experiment(
    "methods.cross_task_linearity",
    "Features between two fine-tunes of one base, and between networks trained apart",
    _SOURCE,
    {
        Scale.SMOKE: Settings(False, 1, 24, 400, 200, (2, 1), learned=False),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(width=512, samples=60000, tests=5000, epochs=(20, 10)),
    },
    perform,
    ("The source fine-tunes larger models on several data sets; here on halves of the classes.",),
)
"""Averaging the weights of fine-tunes averages their features."""
