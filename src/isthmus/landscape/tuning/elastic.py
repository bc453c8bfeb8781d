"""ElasticPenalty: what a change of the parameters costs the first task, to second order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, final

from torch import Tensor, nn


class Curvature(Protocol):
    """A quadratic form that tells how much a task's loss rises."""

    def energy(self, change: Mapping[str, Tensor]) -> Tensor:
        """``δᵀ F δ`` of a change δ of the parameters, a scalar that can be differentiated."""
        ...


@final
@dataclass(frozen=True, eq=False)
class ElasticPenalty:
    """``strength / 2 · (w - w₁)ᵀ F (w - w₁)``, to be added to the second task's loss.

    With `DiagonalFisher` it is elastic weight consolidation (EWC; Kirkpatrick et al. 2017). A
    diagonal also holds the directions of the orbit, in which nothing is lost; `LowRankFisher` does
    not, as the Fisher matrix of any samples is zero there.

    Args:
        start: The parameters w₁ that the first task was learned with.
        curvature: Of the first task's loss there.
        strength: 1 weighs the first task as the second; more keeps more.

    Example:
        >>> penalty = ElasticPenalty(start, DiagonalFisher.of(first, start))  # doctest: +SKIP
        >>> (criterion(model(x), y) + penalty(model)).backward()  # doctest: +SKIP
    """

    start: Mapping[str, Tensor] = field(repr=False)
    curvature: Curvature = field(repr=False)
    strength: float = 1.0

    def __call__(self, model: nn.Module | Mapping[str, Tensor]) -> Tensor:
        """The penalty at the model's weights, or at Params."""
        weights = dict(model.named_parameters()) if isinstance(model, nn.Module) else model
        change = {n: t - self.start[n].to(t) for n, t in weights.items() if n in self.start}
        return 0.5 * self.strength * self.curvature.energy(change)
