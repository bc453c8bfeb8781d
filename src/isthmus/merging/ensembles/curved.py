"""Members on learned curves and simplexes of low loss (Garipov et al. 2018; Benton et al. 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

from torch import Tensor

from isthmus.ground import Params
from isthmus.landscape import (
    Bezier,
    Line,
    Loss,
    NaturalSpline,
    PolygonalChain,
    Training,
    bend,
    recompute_statistics,
    simplexes,
)
from isthmus.merging.ensembles.members import AbstractMaker, Cost, Members


@final
@dataclass(frozen=True, eq=False)
class CurveMembers(AbstractMaker):
    """Points at equal steps of t inside a learned curve from the model to another one.

    The other end may be a second model, or a member that a maker makes of the first: with
    `OrbitMembers` a curve between two copies of one function, that passes through others.

    Args:
        loss: Model, batches and criterion, on training data.
        other: The other end, or what makes it.
        steps: Of the curve's training; all members come from one curve.
        shape: How its points are mixed.
        training: How it is trained.
    """

    loss: Loss
    other: Mapping[str, Tensor] | AbstractMaker
    steps: int = 2000
    shape: Bezier | PolygonalChain | NaturalSpline = field(default_factory=Bezier)
    training: Training = field(default_factory=Training)

    def make(self, params: Mapping[str, Tensor], count: int, seed: int) -> Members:
        """The curve is trained once."""
        end, cost = self._end(params, seed)
        curve = bend(Line(params, end), self.loss, self.shape, self.steps, seed, self.training)
        points = [curve((k + 1) / (count + 1)) for k in range(count)]
        found = _with_statistics(self.loss, points)
        return Members(found, "curve", cost + Cost(steps=self.steps))

    def _end(self, params: Mapping[str, Tensor], seed: int) -> tuple[Mapping[str, Tensor], Cost]:
        if isinstance(self.other, AbstractMaker):
            made = self.other(params, 1, seed)
            return made.params[0], made.cost
        return self.other, Cost()


@final
@dataclass(frozen=True, eq=False)
class SimplexMembers(AbstractMaker):
    """Uniform points of a simplex of low loss and large volume that is grown at the model (ESPRO).

    Args:
        loss: Model, batches and criterion, on training data.
        connectors: The dimension of the simplex.
        steps: Of its training.
        growth: How much volume counts, as in `simplexes`; so ``spread``.
        spread: How far connectors begin from the model.
        training: How they are trained.
    """

    loss: Loss
    connectors: int = 3
    steps: int = 2000
    growth: float = 0.01
    spread: float = 0.05
    training: Training = field(default_factory=Training)

    def make(self, params: Mapping[str, Tensor], count: int, seed: int) -> Members:
        """The simplex is trained once."""
        grown = simplexes(
            [params],
            self.loss,
            self.connectors,
            self.steps,
            seed,
            growth=self.growth,
            spread=self.spread,
            training=self.training,
        )
        found = _with_statistics(self.loss, grown.sample(count, seed))
        return Members(found, "simplex", Cost(steps=self.steps))


def _with_statistics(loss: Loss, points: list[Params]) -> tuple[Params, ...]:
    """Mixtures have no BatchNorm statistics of their own: they are taken from the data."""
    return tuple(recompute_statistics(loss.model, one, loss.batches, loss.dtype) for one in points)
