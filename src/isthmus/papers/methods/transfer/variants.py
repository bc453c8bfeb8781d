"""Variants of tasks: new ones for networks that know the old, and halves of test samples."""

from __future__ import annotations

from dataclasses import replace

import torch

from isthmus.landscape import Loss
from isthmus.papers.tasks import Task


def turned(task: Task) -> Task:
    """The same images, turned by a quarter."""
    x, x_test = (images.rot90(1, (1, 2)).contiguous() for images in (task.x, task.x_test))
    return replace(task, x=x, x_test=x_test)


def swapped(task: Task, pairs: int) -> Task:
    """The same text, with so many pairs of its most frequent characters swapped."""
    count = torch.bincount(task.x.flatten(), minlength=len(task.classes))
    order = count.argsort(descending=True, stable=True)[: 2 * pairs]
    code = torch.arange(len(task.classes))
    code[order] = order.view(-1, 2).flip(1).flatten()
    x, y, x_test, y_test = (code[part] for part in (task.x, task.y, task.x_test, task.y_test))
    return replace(task, x=x, y=y, x_test=x_test, y_test=y_test)


def halves(task: Task) -> tuple[Loss, Loss]:
    """The loss on the first half of the test samples, by which to choose, and on the second."""
    half = len(task.x_test) // 2
    one, two = (
        replace(task, x_test=task.x_test[part], y_test=task.y_test[part]).loss(test=True)
        for part in (slice(half), slice(half, None))
    )
    return one, two
