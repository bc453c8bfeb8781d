"""Model soups: the mean of fine-tunes that differ in step size, all of them or a greedy choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from isthmus.ground import Params
from isthmus.merging import GreedySoup, merge
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, chart
from isthmus.papers.methods.merging.networks import accuracy, percent
from isthmus.papers.methods.method import Measured
from isthmus.papers.tasks import Task, image_perceptron

_SOURCE = "Wortsman et al. 2022, Model soups (ICML)"


@dataclass(frozen=True)
class Settings:
    """A base, and a fine-tune for each step size and order of samples.

    Attributes:
        fashion: On Fashion-MNIST; else on digits.
        width: Of both hidden layers.
        samples: For training; the first half of ``tests`` is held out to choose, the second to ask.
        epochs: Of the base, and of each fine-tune.
        rates: Step sizes of fine-tunes.
        orders: Orders of samples for each.
        learned: Whether that is enough for the claims on accuracies.
    """

    fashion: bool = True
    width: int = 128
    samples: int = 5000
    tests: int = 4000
    epochs: tuple[int, int] = (3, 3)
    rates: tuple[float, ...] = (3e-4, 1e-3, 3e-3, 1e-2)
    orders: int = 3
    learned: bool = True

    @property
    def task(self) -> Task:
        """The network with its data."""
        return image_perceptron(self.fashion, self.width, self.width).fewer(
            self.samples, self.tests
        )


@dataclass(frozen=True)
class Soups(Measured):
    """Held-out losses, and accuracies on other images.

    Attributes:
        settings: What was run.
        losses: ``(models + 2,)``: of each fine-tune, of the mean of all and of the greedy soup, on
            the images that are held out to choose.
        accuracies: The same on the others.
    """

    settings: Settings
    losses: Tensor
    accuracies: Tensor

    def arrays(self) -> Params:
        """Both."""
        return {"losses": self.losses, "accuracies": self.accuracies}

    @property
    def measured(self) -> str:
        """The soups against the best single model."""
        return (
            f"accuracy of {len(self.losses) - 2} fine-tunes: best on held-out images "
            f"{percent(self._single)}, uniform soup {percent(float(self.accuracies[-2]))}, "
            f"greedy soup {percent(float(self.accuracies[-1]))}"
        )

    @property
    def _single(self) -> float:
        """Accuracy of the fine-tune that has the least loss on held-out images."""
        return float(self.accuracies[int(self.losses[:-2].argmin())])

    def check(self) -> list[Check]:
        """A greedy soup is never worse where it was chosen; and elsewhere?"""
        best = float(self.losses[:-2].min())
        exact = Check(
            "greedy",
            "on the images that chose it the greedy soup loses no more than the best fine-tune",
            float(self.losses[-1]) - best,
            1e-6,
            source=_SOURCE,
        )
        if not self.settings.learned:
            return [exact]
        return [
            exact,
            Check(
                "more accurate",
                "on other images the greedy soup is as accurate as the best fine-tune, or more so "
                "(to half a point)",
                self._single - float(self.accuracies[-1]),
                0.005,
                source=_SOURCE,
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """Accuracy against held-out loss."""
        groups = (
            ("fine-tunes", slice(None, -2), "grey"),
            ("uniform", slice(-2, -1), "amber"),
            ("greedy", slice(-1, None), "teal"),
        )
        dots = [
            Series(
                name, self.losses[part].tolist(), self.accuracies[part].tolist(), tone, line=False
            )
            for name, part, tone in groups
        ]
        title = "Fine-tunes of one base, and their soups"
        return {"soups": chart(title, Axis("held-out loss"), Axis("test accuracy"), dots)}

    def __str__(self) -> str:
        s = self.settings
        names = [f"step size {rate:g}" for rate in s.rates for _ in range(s.orders)]
        rows = [
            [name, f"{loss:.4f}", percent(right)]
            for name, loss, right in zip(
                [*names, "uniform soup", "greedy soup"],
                self.losses.tolist(),
                self.accuracies.tolist(),
                strict=True,
            )
        ]
        return table(("model", "held-out loss", "accuracy"), rows)


def perform(bench: Bench, settings: Settings) -> Soups:
    """The base, all fine-tunes, and one step with the soups."""
    task = settings.task
    first, then = settings.epochs
    base = task.trained(bench, bench.seed, epochs=first, name="base")
    tuned = []
    for number, rate in enumerate(settings.rates):
        bench.tell(f"step size {rate:g}", number, len(settings.rates))
        for order in range(settings.orders):
            seed, name = bench.seed + order + 1, f"tuned-{number}-{order}"
            tuned.append(task.trained(bench, seed, epochs=then, lr=rate, start=base, name=name))
    return Soups(settings, **bench.step("soups", lambda: _measure(settings, tuned)))


def _measure(settings: Settings, tuned: list[Params]) -> Params:
    task, half = settings.task, settings.tests // 2
    choosing = replace(task, x_test=task.x_test[:half], y_test=task.y_test[:half])
    asking = replace(task, x_test=task.x_test[half:], y_test=task.y_test[half:])
    loss = choosing.loss(test=True)
    models = [*tuned, merge(tuned), merge(tuned, GreedySoup(loss))]
    return {
        "losses": torch.tensor([loss(one) for one in models]),
        "accuracies": torch.tensor([accuracy(asking, one) for one in models]),
    }


soups = Experiment(
    "methods.soups",
    "The mean of fine-tunes with other step sizes, all of them and a greedy choice",
    _SOURCE,
    {
        Scale.SMOKE: Settings(False, 24, 400, 200, (1, 1), (1e-3, 1e-2), 2, learned=False),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(width=512, samples=50000, tests=10000, epochs=(10, 5), orders=5),
    },
    perform,
    ("The source fine-tunes CLIP and other large models on ImageNet.",),
)
"""A soup costs what one model costs, and is better than the best of them."""
