"""From a gap of the outputs to a barrier: what a convex loss makes of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, final

import torch
from torch import Tensor

from isthmus.ground import BadInput

_SPARE = 1e-9

Criterion = Callable[[Any, Any], Tensor]


class ConvexLoss(Protocol):
    """A mean over samples of a convex function of the outputs."""

    def rise(self, gap: Tensor, a: Tensor, b: Tensor, targets: Any) -> Tensor:
        """How far the loss of each sample can rise above its chord.

        Args:
            gap: (n,), how far the outputs are at most from a mix of those of the ends.
            a: (n, outputs), of the one end.
            b: Of the other.
            targets: Of the samples.
        """
        ...

    def require(self, criterion: Criterion, a: Tensor, b: Tensor, targets: Any) -> None:
        """Raise BadInput where the outputs of both ends show that the criterion is another."""
        ...


@final
@dataclass(frozen=True)
class LipschitzLoss:
    """Convex, and Lipschitz in the Euclidean norm of the outputs.

    Args:
        constant: The default is that of cross-entropy, the gradient of which is p - e_y.
    """

    constant: float = math.sqrt(2)

    def rise(self, gap: Tensor, a: Tensor, b: Tensor, targets: Any) -> Tensor:
        """``C·gap``: convexity takes the loss of a mix below the chord."""
        return self.constant * gap

    def require(self, criterion: Criterion, a: Tensor, b: Tensor, targets: Any) -> None:
        """Compare both outputs and their mean; this can refute the constant, not prove it."""
        ends = [float(criterion(outputs, targets)) for outputs in (a, b)]
        middle = float(criterion((a + b) / 2, targets))
        apart = float(torch.linalg.vector_norm(a - b, dim=1).mean())
        spare = _SPARE * (1 + abs(ends[0]) + abs(ends[1]))
        if abs(ends[0] - ends[1]) > self.constant * apart + spare:
            raise BadInput(
                f"the criterion is not {self.constant:.4g}-Lipschitz: it is {ends[0]:.4g} and "
                f"{ends[1]:.4g} for outputs {apart:.4g} apart",
                "give LipschitzLoss the constant of your criterion, or SquaredLoss",
            )
        if middle > sum(ends) / 2 + spare:
            raise BadInput(
                f"the criterion is not convex in the outputs: {middle:.4g} in the middle of "
                f"{ends[0]:.4g} and {ends[1]:.4g}",
                "give a convex criterion",
            )


@final
@dataclass(frozen=True)
class SquaredLoss:
    """``weight·‖f - y‖²``, which is Lipschitz on bounded outputs.

    Args:
        weight: One over the number of outputs for `torch.nn.MSELoss`; 1/2 for half squares.
    """

    weight: float = 1.0

    def rise(self, gap: Tensor, a: Tensor, b: Tensor, targets: Any) -> Tensor:
        """``weight·gap·(2 r + gap)``: mixes of the ends are at most r from the targets."""
        ends = [torch.linalg.vector_norm(outputs - targets, dim=1) for outputs in (a, b)]
        return self.weight * gap * (2 * torch.maximum(*ends) + gap) * (1 + _SPARE)

    def require(self, criterion: Criterion, a: Tensor, b: Tensor, targets: Any) -> None:
        """Compare with the criterion at both ends."""
        for outputs in (a, b):
            found = float(criterion(outputs, targets))
            own = self.weight * float((outputs - targets).square().sum(1).mean())
            if not abs(found - own) <= _SPARE * (1 + abs(own)):
                raise BadInput(
                    f"the criterion is {found:.6g} where {self.weight:.4g}·‖f - y‖² is {own:.6g}",
                    "give SquaredLoss the criterion's weight: one over the outputs for MSELoss",
                )
