"""The networks of these experiments: perceptrons with and without biases, and two that meet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise

from torch import Tensor, nn

from isthmus.algebra.groups import Permutation
from isthmus.algebra.symmetry import Symmetry
from isthmus.discovery import discover
from isthmus.papers.tasks import Task, digits_perceptron, fashion_perceptron

_DATA: Mapping[str, Callable[..., Task]] = {
    "digits": digits_perceptron,
    "fashion": fashion_perceptron,
}


def perceptron_task(
    data: str, widths: tuple[int, ...], samples: int, tests: int, *, biases: bool = True
) -> Task:
    """A ReLU perceptron on the first samples of a data set.

    Args:
        data: ``digits`` or ``fashion``.
        widths: Of the hidden layers.
        samples: To train on.
        tests: To test on.
        biases: Whether its layers have any.
    """
    task = _DATA[data](*widths).fewer(samples, tests)
    name = "-".join([task.name, *map(str, widths)])
    if biases:
        return replace(task, name=name)
    sizes = (task.x[0].numel(), *widths, 10)

    def build() -> nn.Module:
        layers: list[nn.Module] = [nn.Flatten()]
        for n, m in pairwise(sizes):
            layers += [nn.Linear(n, m, bias=False), nn.ReLU()]
        return nn.Sequential(*layers[:-1])

    return replace(task, name=f"{name}-unbiased", build=build)


def permutations(task: Task) -> Symmetry:
    """The permutations of a network's units."""
    return discover(task.fresh(), task.x[:1]).restrict(Permutation)


def rise(losses: Tensor) -> Tensor:
    """How far losses at equal steps, ``(..., points)``, rise above the chord of their ends."""
    points = losses.shape[-1]
    t = losses.new_tensor([k / (points - 1) for k in range(points)])
    chord = (1 - t) * losses[..., :1] + t * losses[..., -1:]
    return (losses - chord).amax(-1)
