"""Metrics: figures beside the loss, from sums over all samples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import torch
from torch import Tensor

from isthmus.ground import BadInput

Criterion: TypeAlias = "Callable[[Any, Any], Any]"
"""Outputs and targets to their mean over the samples, a scalar."""


class Metric(ABC):
    """A figure that is no mean over samples, but follows from sums over them.

    The sums of single steps are added up over all batches and all processes; `value` then makes
    figures of the total. A figure that is a mean over the samples needs no class: give a function
    of outputs and targets.
    """

    @abstractmethod
    def sums(self, outputs: Any, targets: Any) -> Tensor:
        """What the samples of one step add: of one shape at every step."""

    @abstractmethod
    def value(self, total: Tensor) -> float | Mapping[str, float]:
        """The figure, or several by name, from the total of `sums`, in float64 on the CPU."""


@final
@dataclass(frozen=True)
class ClassAccuracy(Metric):
    """For each class, the share of its samples at which the largest score is its own.

    Classes that do not occur among the targets are left out.
    """

    def sums(self, outputs: Any, targets: Any) -> Tensor:
        """Hits and samples by class, shape (2, classes)."""
        axis = require_classes(outputs, targets)
        classes = outputs.shape[axis]
        hit = outputs.argmax(axis) == targets
        hits = torch.bincount(targets[hit].flatten(), minlength=classes)
        return torch.stack([hits, torch.bincount(targets.flatten(), minlength=classes)])

    def value(self, total: Tensor) -> Mapping[str, float]:
        """The accuracies by class number."""
        hits, samples = total.tolist()
        return {str(k): h / n for k, (h, n) in enumerate(zip(hits, samples, strict=True)) if n}


@final
@dataclass(frozen=True)
class CalibrationError(Metric):
    """The expected calibration error: the mean gap of confidence and accuracy over bins.

    Samples are binned by the probability of the likeliest class, in bins of equal width; the gaps
    count by the samples in their bin (Guo et al. 2017, equation 3).

    Args:
        bins: How many.
    """

    bins: int = 15

    def __post_init__(self) -> None:
        if self.bins < 1:
            raise BadInput(f"bins is {self.bins}, expected at least 1", "15 is what papers use")

    def sums(self, outputs: Any, targets: Any) -> Tensor:
        """Samples, confidences and hits by bin, shape (3, bins)."""
        axis = require_classes(outputs, targets)
        confidence, guess = outputs.softmax(axis).double().max(axis)
        flat = confidence.flatten()
        place = (flat * self.bins).ceil().long().sub(1).clamp(0, self.bins - 1)
        rows = torch.stack([torch.ones_like(flat), flat, (guess == targets).flatten().double()])
        return rows.new_zeros(3, self.bins).index_add_(1, place, rows)

    def value(self, total: Tensor) -> float:
        """The error, between 0 and 1; NaN where a score is not a number."""
        samples, confidence, hits = total
        return float((confidence - hits).abs().sum() / samples.sum())


def class_axis(outputs: Any, targets: Any) -> int | None:
    """The dimension of ``outputs`` that holds the scores of the classes which ``targets`` index.

    None where this is no classification. As in `cross_entropy` it is the first after the samples
    where that fits, else the last.
    """
    if not isinstance(outputs, Tensor) or not isinstance(targets, Tensor):
        return None
    whole = not targets.is_floating_point() and targets.dtype != torch.bool
    if not whole or outputs.dim() != targets.dim() + 1 or outputs.dim() < 2:
        return None
    shape = tuple(outputs.shape)
    axes = (1, outputs.dim() - 1)
    fits = (d for d in axes if shape[:d] + shape[d + 1 :] == tuple(targets.shape))
    return next(fits, None)


def require_classes(outputs: Any, targets: Any) -> int:
    """`class_axis`, or a ValueError that says what is missing."""
    axis = class_axis(outputs, targets)
    if axis is None:
        raise ValueError("it needs scores by class, and targets that are class indices")
    return axis


def accuracy(outputs: Tensor, targets: Tensor) -> Tensor:
    """The share of targets at which the largest score lies."""
    return (outputs.argmax(require_classes(outputs, targets)) == targets).double().mean()
