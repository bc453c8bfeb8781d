"""A synthetic cue: one bright pixel, in a strip of its own, whose place may tell the class."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from isthmus.papers.tasks import Task

CLASSES = 10


@dataclass(frozen=True)
class Cue:
    """The first pixels of an image are the strip: one for each class, dark where there is no cue.

    Attributes:
        level: How bright the pixel is.
        seed: Of what is drawn at random.
    """

    level: float = 2.0
    seed: int = 0

    def without(self, x: Tensor) -> Tensor:
        """Images with an empty strip."""
        rows = x.flatten(1).clone()
        rows[:, :CLASSES] = 0
        return rows.view(x.shape)

    def put(self, x: Tensor, classes: Tensor) -> Tensor:
        """Images with the cue for these classes."""
        rows = self.without(x).flatten(1)
        rows[torch.arange(len(rows)), classes] = self.level
        return rows.view(x.shape)

    def wrong(self, x: Tensor) -> Tensor:
        """Images with a cue that says nothing: of a class drawn at random."""
        draw = torch.Generator().manual_seed(self.seed)
        return self.put(x, torch.randint(CLASSES, (len(x),), generator=draw))

    def other(self, x: Tensor) -> Tensor:
        """The strip of one image with all else of another."""
        draw = torch.Generator().manual_seed(self.seed)
        rows = x.flatten(1)[torch.randperm(len(x), generator=draw)].clone()
        rows[:, :CLASSES] = x.flatten(1)[:, :CLASSES]
        return rows.view(x.shape)

    def some(self, x: Tensor, classes: Tensor, share: float) -> Tensor:
        """The cue in a share of the images, drawn at random; none in the others."""
        draw = torch.Generator().manual_seed(self.seed)
        chosen = torch.rand(len(x), generator=draw) < share
        mask = chosen.view(-1, *[1] * (x.dim() - 1))
        return torch.where(mask, self.put(x, classes), self.without(x))


def read(task: Task, cue: Cue, share: float, *, telling: bool) -> Task:
    """The task with the cue in a share of its training images, and in every test image.

    ``telling``: of their class; else of any class, so that it is of no use.
    """
    draw = torch.Generator().manual_seed(cue.seed + 1)
    drawn = torch.randint(CLASSES, task.y.shape, generator=draw)
    return replace(
        task,
        name=f"{task.name}-{'cued' if telling else 'uncued'}",
        x=cue.some(task.x, task.y if telling else drawn, share),
        x_test=cue.put(task.x_test, task.y_test),
    )
