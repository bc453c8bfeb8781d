"""Task: what a training of control points minimises, and where."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor

from isthmus.ground import BadInput
from isthmus.landscape.curves.training.points import ControlPoints
from isthmus.landscape.loss import Loss
from isthmus.landscape.running import Batch, said, shape_text


class Task(ABC):
    """Which mixtures of control points are visited, and what happens to them besides.

    Every step draws the weights of one mixture, differentiates the objective there by the trained
    points, lets `adjust` change the gradients, makes the optimiser's step, and lets `settle` change
    the points.

    Args:
        loss: Model and criterion.
        points: What is trained.
    """

    def __init__(self, loss: Loss, points: ControlPoints) -> None:
        self.loss, self.points = loss, points

    @property
    @abstractmethod
    def words(self) -> str:
        """What tells this task from others with the same points."""

    @abstractmethod
    def draw(self, generator: torch.Generator) -> Tensor:
        """The weights of a mixture, ``(points,)``, float64."""

    def objective(self, batch: Batch) -> Tensor:
        """What the step minimises, where the model stands: the criterion on the batch."""
        inputs, targets = batch
        outputs = self.points.outputs(inputs)
        try:
            value: Tensor = self.loss.criterion(outputs, targets)
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            raise BadInput(
                f"the criterion cannot compare outputs of shape {shape_text(outputs)} with targets "
                f"of shape {shape_text(targets)}: {said(error)}",
                "give targets, or a criterion, that fit the model's outputs in training mode",
            ) from error
        return value

    def adjust(self, value: Tensor) -> None:
        """Change the gradients; ``value`` is the objective found."""
        return

    def settle(self, done: int) -> bool:
        """Change the points after ``done`` steps; whether others are now trained."""
        return False

    def state(self) -> dict[str, Any]:
        """What has to be kept, besides the points, to go on later."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave."""
        return
