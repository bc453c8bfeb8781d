"""Task arithmetic, TIES, DARE and PCB-merging: fine-tunes of one base for groups of classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.func import functional_call

from isthmus.ground import Params, double
from isthmus.merging import AbstractMerger, Dare, PcbMerging, TaskArithmetic, Ties, merge
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, chart
from isthmus.papers.methods.merging.networks import apart, percent
from isthmus.papers.methods.method import Measured
from isthmus.papers.tasks import Task, image_perceptron

_SOURCE = (
    "Ilharco et al. 2023 (task arithmetic), Yadav et al. 2023 (TIES), "
    "Yu et al. 2024 (DARE), Du et al. 2024 (PCB-merging)"
)
_MERGERS: Mapping[str, Callable[[Params, float], AbstractMerger]] = {
    "arithmetic": TaskArithmetic,
    "TIES": lambda base, scale: Ties(base, 0.5, scale),
    "DARE": lambda base, scale: Dare(TaskArithmetic(base, scale), 0.5),
    "PCB": lambda base, scale: PcbMerging(base, 0.5, scale),
}
KINDS = tuple(_MERGERS)
_TONES = ("blue", "amber", "purple", "teal")


@dataclass(frozen=True)
class Settings:
    """A perceptron trained a little on all classes, then for one group of classes at a time.

    Attributes:
        fashion: On Fashion-MNIST; else on digits.
        width: Of both hidden layers.
        samples: Of the base, and of all fine-tunes together.
        tests: The first half chooses scales, the second is measured.
        epochs: Of the base, and of each fine-tune.
        groups: The tasks: which of its own classes an image shows.
        scales: λ that are tried.
        learned: Whether that is enough for the claims on accuracies.
    """

    fashion: bool = True
    width: int = 128
    samples: tuple[int, int] = (200, 5000)
    tests: int = 2000
    epochs: tuple[int, int] = (5, 4)
    groups: tuple[tuple[int, ...], ...] = ((0, 2, 6), (1, 3, 4, 8), (5, 7, 9))
    scales: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.3, 1.6, 2.0)
    learned: bool = True

    @property
    def task(self) -> Task:
        """The network with all classes."""
        return image_perceptron(self.fashion, self.width, self.width).fewer(
            self.samples[1], self.tests
        )


@dataclass(frozen=True)
class Merged(Measured):
    """Mean test accuracies over all tasks.

    Attributes:
        settings: What was run.
        chosen: ``(4, scales)``, in the order of `KINDS`: on the images that choose the scale.
        accuracies: The same on those that do not.
        base: Of the base; ``average`` of the mean of all fine-tunes.
        alone: Of each fine-tune on its own task, the mean.
        off: By how much ``λ = 1/n`` of arithmetic differs from the mean, relative, in float64.
    """

    settings: Settings
    chosen: Tensor = field(metadata={"json": False})
    accuracies: Tensor = field(metadata={"json": False})
    base: Tensor
    average: Tensor
    alone: Tensor
    off: Tensor

    def arrays(self) -> Params:
        """All tensors."""
        names = ("chosen", "accuracies", "base", "average", "alone", "off")
        return {name: getattr(self, name) for name in names}

    @property
    def best(self) -> dict[str, tuple[float, float]]:
        """For each way of merging the scale that was chosen, and the accuracy with it."""
        found = {}
        for kind, chosen, measured in zip(KINDS, self.chosen, self.accuracies, strict=True):
            at = int(chosen.argmax())
            found[kind] = (self.settings.scales[at], float(measured[at]))
        return found

    @property
    def measured(self) -> str:
        """Each at its best scale."""
        found = ", ".join(f"{kind} {percent(v)}" for kind, (_, v) in self.best.items())
        return (
            f"accuracy over {len(self.settings.groups)} tasks at the best scale: {found}; mean "
            f"{percent(float(self.average))}, base {percent(float(self.base))}, each alone on its "
            f"own task {percent(float(self.alone))}"
        )

    def check(self) -> list[Check]:
        """The mean is a special case; merging beats the base; PCB against the others."""
        zero = self.accuracies[:, self.settings.scales.index(0.0)]
        exact = [
            Check("mean", "arithmetic with λ = 1/n is the mean (float64)", float(self.off), 1e-12),
            Check(
                "nothing added",
                "with λ = 0 every method gives the base",
                float((zero - self.base).abs().max()),
                source=_SOURCE,
            ),
        ]
        if not self.settings.learned:
            return exact
        best = {kind: right for kind, (_, right) in self.best.items()}
        return [
            *exact,
            Check(
                "one model, many tasks",
                "over all tasks every method is more accurate than the base, by 5 points",
                0.05 - (min(best.values()) - float(self.base)),
                source=_SOURCE,
            ),
            Check(
                "TIES",
                "electing signs is more accurate than the plain sum",
                best["arithmetic"] - best["TIES"],
                finding="each has its best scale here, of which the plain sum gains most; which is "
                "ahead, by some points, depends on the seed",
                source="Yadav et al. 2023",
            ),
            Check(
                "PCB",
                "PCB-merging is at least as accurate as TIES",
                best["TIES"] - best["PCB"],
                finding="the source gains on large pretrained models; on the 1000 images here a "
                "point is within the standard error",
                source="Du et al. 2024",
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """Accuracy by scale."""
        scales = list(self.settings.scales)
        lines = [
            Series(kind, scales, row.tolist(), tone)
            for kind, tone, row in zip(KINDS, _TONES, self.accuracies, strict=True)
        ]
        title = f"One network for {len(self.settings.groups)} tasks"
        return {"task_vectors": chart(title, Axis("scale"), Axis("test accuracy"), lines)}

    def __str__(self) -> str:
        rows = [[kind, f"{scale:g}", percent(right)] for kind, (scale, right) in self.best.items()]
        rows += [
            ["mean", "", percent(float(self.average))],
            ["base", "", percent(float(self.base))],
        ]
        rows.append(["each alone, on its task", "", percent(float(self.alone))])
        return table(("merged by", "scale", "accuracy"), rows)


def perform(bench: Bench, settings: Settings) -> Merged:
    """The base, a fine-tune for each task, and one step with all that is measured."""
    task, (few, _), (first, then) = settings.task, settings.samples, settings.epochs
    base = task.fewer(few).trained(bench, bench.seed, epochs=first, name="base")
    tuned = [
        _of(group, task).trained(
            bench, bench.seed + k, epochs=then, lr=5e-4, start=base, name=f"tuned-{k}"
        )
        for k, group in enumerate(settings.groups)
    ]
    return Merged(settings, **bench.step("measured", lambda: _measure(settings, base, tuned)))


def _measure(settings: Settings, base: Params, tuned: list[Params]) -> Params:
    task, half = settings.task, settings.tests // 2
    choosing, asking = (
        [
            _of(group, replace(task, x_test=task.x_test[part], y_test=task.y_test[part]))
            for group in settings.groups
        ]
        for part in (slice(half), slice(half, None))
    )
    model = task.fresh()

    def right(shown: Task, group: tuple[int, ...], params: Params) -> float:
        """Accuracy among the classes of a task."""
        with torch.no_grad():
            outputs = functional_call(model, params, (shown.x_test,))[:, list(group)]
        return float((torch.tensor(group)[outputs.argmax(1)] == shown.y_test).double().mean())

    def over(shown: list[Task], params: Params) -> float:
        each = [right(*one, params) for one in zip(shown, settings.groups, strict=True)]
        return sum(each) / len(each)

    merged = [[merge(tuned, way(base, s)) for s in settings.scales] for way in _MERGERS.values()]
    alone = [right(*one) for one in zip(asking, settings.groups, tuned, strict=True)]
    exact, known = [double(one) for one in tuned], double(base)
    off = apart(merge(exact, TaskArithmetic(known, 1 / len(exact))), merge(exact))
    return {
        "chosen": torch.tensor([[over(choosing, one) for one in row] for row in merged]),
        "accuracies": torch.tensor([[over(asking, one) for one in row] for row in merged]),
        "base": torch.tensor(over(asking, base)),
        "average": torch.tensor(over(asking, merge(tuned))),
        "alone": torch.tensor(sum(alone) / len(alone)),
        "off": torch.tensor(off),
    }


def _of(group: tuple[int, ...], task: Task) -> Task:
    """The task with images of these classes alone."""
    kept, shown = (torch.isin(y, torch.tensor(group)) for y in (task.y, task.y_test))
    return replace(
        task, x=task.x[kept], y=task.y[kept], x_test=task.x_test[shown], y_test=task.y_test[shown]
    )


task_vectors = Experiment(
    "methods.task_vectors",
    "One network for several tasks, by task vectors",
    _SOURCE,
    {
        Scale.SMOKE: Settings(
            False, 24, (50, 400), 200, (2, 2), scales=(0.0, 0.5, 1.0), learned=False
        ),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(width=512, samples=(2000, 60000), tests=10000, epochs=(5, 5)),
    },
    perform,
    (
        "The sources merge ViT and T5; the shares kept and dropped (0.5) are ours.",
        "Each task asks which of its own classes an image shows.",
    ),
)
"""All four give one network that knows every task."""
