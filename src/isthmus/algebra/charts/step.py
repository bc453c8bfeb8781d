"""What every step of a chart is, and what is done where the gauge is singular."""

from __future__ import annotations

import warnings
from collections.abc import MutableMapping
from typing import ClassVar, Protocol, TypeAlias

import torch
from torch import Tensor

Working: TypeAlias = "MutableMapping[str, Tensor]"
"""Parameters on their way to coordinates; changed in place."""

SINGULAR = 1e-6
"""A gain this much smaller than the largest counts as zero: to divide by it would cost too much."""


class GaugeWarning(UserWarning):
    """A parameter was where the gauge is singular: what stands for it is said."""


class Step(Protocol):
    """One reversible change."""

    kind: ClassVar[str]

    def forward(self, x: Working) -> None:
        """Towards the gauge."""

    def back(self, x: Working) -> None:
        """From the gauge to the parameters."""


def vanishing(gain: Tensor) -> Tensor:
    """Where a gain is zero, or so small that dividing by it would lose what it multiplies."""
    return gain.abs() <= SINGULAR * gain.abs().max()


def without_zeros(name: str, gain: Tensor) -> Tensor:
    """A gain by which one can divide; what was changed is said."""
    zero = vanishing(gain)
    if not bool(zero.any()):
        return gain
    say(
        f"{name} is zero (or as good as) at {int(zero.sum())} places: there it becomes one, and "
        "the weights that it silenced become zero (or as good as)"
    )
    return torch.where(zero, torch.ones_like(gain), gain)


def say(text: str) -> None:
    """Warn the caller of a chart."""
    warnings.warn(text, GaugeWarning, stacklevel=4)
