"""TrainedMembers: a model trained on for a while, in several ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from isthmus.ground import BadInput
from isthmus.landscape import Loss, Training
from isthmus.landscape.curves.training import ControlPoints, Task, descend
from isthmus.merging.ensembles.members import AbstractMaker, Cost, Members


@final
@dataclass(frozen=True, eq=False)
class TrainedMembers(AbstractMaker):
    """Every member trained for ``steps`` from the model, or from a member that ``starts`` makes.

    Member k sees its batches in the order of ``seed + k``. Where nothing but that order differs,
    members leave one point in different directions. With `OrbitMembers` as starts they leave
    different points of one orbit, and what that changes depends on the optimiser: gradient descent,
    with momentum or weight decay or without, commutes with orthogonal elements (permutations,
    signs, rotations), Adam with permutations and signs; such elements only rename what happens.
    Scales and shears change the gradient's direction, and with it the function that is reached.

    Args:
        loss: Model, batches and criterion, on training data.
        steps: Of every member.
        starts: Makes the points to train from; None trains all from the model itself.
        training: Optimiser and schedule; a rate that begins high leads away from the model.
    """

    loss: Loss
    steps: int
    starts: AbstractMaker | None = None
    training: Training = field(default_factory=Training)

    def __post_init__(self) -> None:
        if self.training.checkpoint is not None:
            raise BadInput("a checkpoint of several trainings", "train without one")

    def make(self, params: Mapping[str, Tensor], count: int, seed: int) -> Members:
        """One training after the other."""
        begun = None if self.starts is None else self.starts(params, count, seed)
        starts = [params] * count if begun is None else begun.params
        found = tuple(self._trained(start, seed + k) for k, start in enumerate(starts))
        kind = "trained" if begun is None else f"trained from {begun.kind}"
        before = Cost() if begun is None else begun.cost
        return Members(found, kind, before + Cost(steps=count * self.steps))

    def _trained(self, start: Mapping[str, Tensor], seed: int) -> dict[str, Tensor]:
        points = ControlPoints(self.loss, [start], [0], self.training.only)
        descend(_Descending(self.loss, points), self.steps, seed, self.training)
        return points.params(0)


class _Descending(Task):
    """The loss of one point: training as usual."""

    @property
    def words(self) -> str:
        """Of this task."""
        return "one point"

    def draw(self, generator: torch.Generator) -> Tensor:
        """The point."""
        return torch.ones(1, dtype=torch.float64)
