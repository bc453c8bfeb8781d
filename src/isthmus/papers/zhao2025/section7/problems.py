"""The networks that section 7 is tried on, and for each a second task of the same shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from isthmus.papers.tasks import Task, digits_perceptron, fashion_perceptron, tiny_gpt


def digits() -> Task:
    """A small perceptron on the 8 by 8 digits."""
    return digits_perceptron(24, 24)


def fashion() -> Task:
    """A perceptron on a part of Fashion-MNIST."""
    return fashion_perceptron(64, 64).fewer(4000, 2000)


def gpt() -> Task:
    """A small GPT on a part of tinyshakespeare."""
    return tiny_gpt().fewer(2560, 500)


PROBLEMS: Mapping[str, Callable[[], Task]] = {"digits": digits, "fashion": fashion, "gpt": gpt}
"""By the names that settings have."""


def second(task: Task, seed: int = 0) -> Task:
    """Another task for the same network: images with their pixels permuted, text in capitals."""
    if not task.x.is_floating_point():
        place = {c: k for k, c in enumerate(task.classes)}
        capital = torch.tensor([place.get(c.upper(), k) for c, k in place.items()])
        return _changed(task, lambda x: capital[x], text=True)
    pixels = task.x[0].numel()
    order = torch.randperm(pixels, generator=torch.Generator().manual_seed(seed))
    return _changed(task, lambda x: x.flatten(1)[:, order].view_as(x))


def _changed(task: Task, change: Callable[[Tensor], Tensor], text: bool = False) -> Task:
    """The same with other inputs; with other targets too where these are of one kind."""
    found = replace(task, name=f"{task.name}-second", x=change(task.x), x_test=change(task.x_test))
    return replace(found, y=change(task.y), y_test=change(task.y_test)) if text else found
