"""LogitCalibration: a criterion that knows how often a client sees each class."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from isthmus.ground import BadInput
from isthmus.landscape.evaluation.metrics import Criterion

_ABSENT = 1e-8
"""What a class without samples counts as: its logit is 100 τ lower then."""


@final
@dataclass(frozen=True, eq=False)
class LogitCalibration:
    """A criterion on logits from which ``τ n_c^(-1/4)`` is taken, n_c the samples of class c.

    What a client rarely sees is made harder for it, so that its other classes do not push it out;
    of a class it never sees the logit is hardly trained. Models are used without (Zhang et al.
    2022, FedLC, which FedGuCci+ of Li et al. 2024 takes over; the exponent is from memory, and
    what an absent class counts as is reconstructed).

    Args:
        criterion: Logits, classes on the last axis, and targets to their mean loss.
        counts: Samples of each class, ``(classes,)``.
        tau: τ; 0 leaves the criterion as it is.

    Raises:
        BadInput: ``counts`` is no vector of numbers of 0 or more, or ``tau`` is negative.

    Example:
        >>> from torch.nn.functional import cross_entropy
        >>> criterion = LogitCalibration(cross_entropy, torch.tensor([1, 16]), tau=2.0)
        >>> float(criterion(torch.tensor([[2.0, 1.0]]), torch.tensor([0])))  # logits 0 and 0
        0.6931471824645996
    """

    criterion: Criterion
    counts: Tensor = field(repr=False)
    tau: float = 1.0

    def __post_init__(self) -> None:
        if self.counts.dim() != 1 or not len(self.counts) or not bool((self.counts >= 0).all()):
            raise BadInput(
                f"counts has shape {tuple(self.counts.shape)}, expected a vector of 0 or more",
                "give the number of samples of each class",
            )
        if not 0 <= self.tau < math.inf:
            raise BadInput(f"tau is {self.tau}", "give a finite number of 0 or more")

    @property
    def margins(self) -> Tensor:
        """What is taken from the logits, ``(classes,)`` in float64."""
        return self.tau * self.counts.double().clamp_min(_ABSENT) ** -0.25

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss.

        Raises:
            BadInput: ``outputs`` has another number of classes on its last axis.
        """
        if outputs.shape[-1] != len(self.counts):
            raise BadInput(
                f"outputs of shape {tuple(outputs.shape)} for {len(self.counts)} classes",
                "give a count for each logit on the last axis",
            )
        loss: Tensor = self.criterion(outputs - self.margins.to(outputs), targets)
        return loss


def class_counts(targets: Tensor, classes: int) -> Tensor:
    """How many of ``targets`` are of each class, ``(classes,)``.

    Raises:
        BadInput: They are no integers from 0 to below ``classes``.
    """
    flat = targets.flatten()
    if flat.is_floating_point() or (len(flat) and not 0 <= int(flat.min()) <= int(flat.max())):
        raise BadInput(
            f"targets of dtype {targets.dtype} are no classes",
            "calibrate logits where targets are numbers of classes, or leave calibration at 0",
        )
    if len(flat) and int(flat.max()) >= classes:
        raise BadInput(
            f"a target is class {int(flat.max())} of {classes}", "give a model with enough outputs"
        )
    return torch.bincount(flat.cpu(), minlength=classes)
