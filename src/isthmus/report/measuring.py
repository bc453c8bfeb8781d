"""A criterion that fits the targets, and whether a model has BatchNorm statistics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from isthmus.ground import BadInput

Batches: TypeAlias = "Sequence[tuple[Tensor, Tensor]]"


def criterion(outputs: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy where the targets are class indices, mean squared error where they are real.

    Args:
        outputs: Scores with the classes in dimension 1 or, where that does not fit, in the last;
            or predictions of the shape of the targets.
        targets: Class indices (whole numbers) or values (floating point).

    Raises:
        ValueError: The shapes do not fit each other.
    """
    if not isinstance(outputs, Tensor):
        raise ValueError(f"the model returns a {type(outputs).__name__}, expected a tensor")
    if targets.is_floating_point():
        if outputs.shape != targets.shape:
            raise ValueError("predictions and targets must have one shape")
        return F.mse_loss(outputs, targets.to(outputs.dtype))
    shape = tuple(outputs.shape)
    if outputs.dim() >= 2 and shape[:1] + shape[2:] == tuple(targets.shape):
        return _cross_entropy(outputs, targets, shape[1])
    if outputs.dim() >= 2 and shape[:-1] == tuple(targets.shape):
        return _cross_entropy(outputs.movedim(-1, 1), targets, shape[-1])
    raise ValueError("outputs must have one dimension more than the targets: the classes")


def _cross_entropy(scores: Tensor, targets: Tensor, classes: int) -> Tensor:
    low, high = int(targets.min()), int(targets.max())
    if low < 0 or high >= classes:
        raise ValueError(f"targets run from {low} to {high}, but there are {classes} classes")
    return F.cross_entropy(scores, targets)


def has_statistics(model: nn.Module) -> bool:
    """Whether the model has BatchNorm layers that keep running statistics."""
    return any(
        isinstance(module, _BatchNorm) and module.track_running_stats for module in model.modules()
    )


def check_batches(batches: Batches, what: str) -> Batches:
    """`batches` if there are any.

    Raises:
        BadInput: There are none.
    """
    if not len(batches):
        raise BadInput(f"there are no {what} data", "give at least one batch")
    return batches
