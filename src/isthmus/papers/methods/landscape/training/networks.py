"""The networks of these experiments: perceptrons on digits or Fashion-MNIST."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from torch import nn

from isthmus.papers.tasks import Task, digits_perceptron, fashion_perceptron, perceptron

_DATA = {"digits": digits_perceptron, "fashion": fashion_perceptron}


@dataclass(frozen=True)
class Network:
    """What is trained, as plain values.

    Attributes:
        data: ``digits`` or ``fashion``.
        hidden: Widths.
        samples: Training samples; None is all.
        tests: Test samples.
    """

    data: str = "fashion"
    hidden: tuple[int, ...] = (64, 64)
    samples: int | None = 5000
    tests: int | None = 2000

    def task(self, activation: type[nn.Module] = nn.ReLU) -> Task:
        """It, with its data."""
        task = _DATA[self.data](*self.hidden).fewer(self.samples, self.tests)
        inputs = task.x[0].numel()
        build = partial(perceptron, inputs, *self.hidden, 10, activation=activation)
        return replace(task, build=build, name=f"{task.name}-{activation.__name__.lower()}")


SMALL = Network()
"""On Fashion-MNIST: some seconds of training."""
