"""A small GPT and its stream: what the experiments on rotations and on slices have in common."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.func import functional_call

from isthmus.algebra import Symmetry
from isthmus.algebra.bases import streams
from isthmus.discovery import discover
from isthmus.ground import Params
from isthmus.papers.bench import Bench
from isthmus.papers.tasks import GptSettings, Task


@dataclass(frozen=True)
class Trained(GptSettings):
    """A GPT on a text, and how much of it is looked at.

    Attributes:
        seen: Training windows on which the stream is measured.
    """

    width: int = 64
    seen: int = 256

    def params(self, bench: Bench) -> Params:
        """After the training."""
        return self.task.trained(bench, bench.seed, epochs=self.epochs, lr=3e-3)

    @property
    def words(self) -> str:
        """What was trained."""
        return (
            f"a GPT of {self.blocks} blocks and width {self.width} on {self.windows} windows of "
            f"{self.text}"
        )


def stream_of(task: Task) -> tuple[Symmetry, str]:
    """The group of the network, and the name of its stream."""
    symmetry = discover(task.fresh(), task.x[:1])
    (name,) = streams(symmetry)
    return symmetry, name


def change(task: Task, before: Params, after: Params) -> float:
    """The largest change of an output, relative to the largest output, in float64."""
    model = task.fresh().double()
    with torch.no_grad():
        old, new = (
            functional_call(model, {n: t.double() for n, t in one.items()}, (task.x_test[:4],))
            for one in (before, after)
        )
    return float((new - old).abs().max() / old.abs().max())
