"""Shapes: how a curve mixes its control points, for every t and linearly in the points."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
import torch
from scipy.interpolate import CubicSpline
from torch import Tensor

from isthmus.ground import BadInput
from isthmus.landscape.curves.training import ControlPoints, Task
from isthmus.landscape.loss import Loss


@dataclass(frozen=True)
class Shape(ABC):
    """The weights of ``bends + 2`` control points for t in [0, 1]; they sum to 1.

    The first point is the curve at t = 0 and the last the curve at t = 1.

    Args:
        bends: The control points between the two ends.

    Raises:
        BadInput: ``bends`` is not positive.
    """

    bends: int = 1

    def __post_init__(self) -> None:
        require_bends(self.bends)

    @abstractmethod
    def weights(self, t: float, order: int = 0) -> Tensor:
        """The weight of every control point at ``t``: ``(bends + 2,)``, float64.

        With an order, the derivative of this order by t; at a break, as of the piece after it.
        """

    @property
    def breaks(self) -> tuple[float, ...]:
        """The t inside (0, 1) at which a curve has a corner."""
        return ()

    @property
    @abstractmethod
    def kind(self) -> str:
        """What its curves are called."""

    def task(self, loss: Loss, points: ControlPoints, steps: int) -> CurveTask:
        """The training of the curve through ``points``, for the mean loss along it."""
        return _Mean(loss, points, self)


@final
@dataclass(frozen=True)
class Bezier(Shape):
    """A Bézier curve of degree ``bends + 1``: Bernstein polynomials (Garipov et al. 2018).

    Its control points attract the curve; it passes through the two ends only.
    """

    @property
    def kind(self) -> str:
        """Named after the number of bends."""
        return f"Bézier with {_bends(self.bends)}"

    def weights(self, t: float, order: int = 0) -> Tensor:
        """C(n, k) (1 - t)^(n - k) t^k, with n = bends + 1."""
        degree = self.bends + 1
        if order > degree:
            return torch.zeros(degree + 1, dtype=torch.float64)
        found = _bernstein(degree - order, t)
        for lower in range(degree - order + 1, degree + 1):
            # B_k' = n (B_(k-1) - B_k), of degree n from degree n - 1
            wide = torch.nn.functional.pad(found, (1, 1))
            found = lower * (wide[:-1] - wide[1:])
        return found


@final
@dataclass(frozen=True)
class PolygonalChain(Shape):
    """Straight segments from control point to control point, each for an equal part of t.

    With one bend this is the polygonal chain of Garipov et al. 2018.
    """

    @property
    def kind(self) -> str:
        """Named after the number of bends."""
        return f"polygonal chain with {_bends(self.bends)}"

    @property
    def breaks(self) -> tuple[float, ...]:
        """The control points between the ends."""
        return tuple(k / (self.bends + 1) for k in range(1, self.bends + 1))

    def weights(self, t: float, order: int = 0) -> Tensor:
        """The two ends of the segment share the weight."""
        k, place = self._segment(t)
        rate = float(self.bends + 1) if order == 1 else 0.0
        first, second = (-rate, rate) if order else (1 - place, place)
        weights = torch.zeros(self.bends + 2, dtype=torch.float64)
        weights[k], weights[k + 1] = first, second
        return weights

    def _segment(self, t: float) -> tuple[int, float]:
        """Which segment, and where in it."""
        place = t * (self.bends + 1)
        k = min(int(place), self.bends)
        return k, place - k


@final
@dataclass(frozen=True)
class NaturalSpline(Shape):
    """The cubic spline through the control points at equal steps of t, straight at its ends.

    Of all curves through these points it has the least integral of squared acceleration. Some of
    its weights are negative.
    """

    @property
    def kind(self) -> str:
        """Named after the number of bends."""
        return f"natural spline with {_bends(self.bends)}"

    @cached_property
    def _spline(self) -> CubicSpline:
        """The spline through the unit vectors, one for each control point."""
        knots = np.linspace(0, 1, self.bends + 2)
        return CubicSpline(knots, np.eye(self.bends + 2), bc_type="natural")

    def weights(self, t: float, order: int = 0) -> Tensor:
        """The splines that are 1 at one control point and 0 at the others."""
        return torch.from_numpy(self._spline(t, order))


class CurveTask(Task):
    """The training of a curve's control points."""

    @property
    @abstractmethod
    def shape(self) -> Shape:
        """The shape of the curve, with as many bends as there now are."""


class _Mean(CurveTask):
    """The mean loss along a curve, t uniform; it begins as the curve through the points given."""

    def __init__(self, loss: Loss, points: ControlPoints, shape: Shape) -> None:
        super().__init__(loss, points)
        self._shape = shape
        last = shape.bends + 1
        passed = torch.stack([shape.weights(k / last) for k in range(last + 1)])
        points.matrix.copy_(torch.linalg.inv(passed).to(points.matrix) @ points.matrix)

    @property
    def words(self) -> str:
        """The shape."""
        return repr(self._shape)

    @property
    def shape(self) -> Shape:
        """The shape, which stays."""
        return self._shape

    def draw(self, generator: torch.Generator) -> Tensor:
        """A uniform t."""
        return self._shape.weights(float(torch.rand((), generator=generator, dtype=torch.float64)))


def require_bends(bends: int) -> None:
    """Raise BadInput unless there is a point between the ends."""
    if bends < 1:
        raise BadInput(
            f"bends is {bends}, expected at least 1",
            "count the control points between the two ends; a Line has none",
        )


def _bernstein(degree: int, t: float) -> Tensor:
    values = [math.comb(degree, k) * (1 - t) ** (degree - k) * t**k for k in range(degree + 1)]
    return torch.tensor(values, dtype=torch.float64)


def _bends(count: int) -> str:
    return f"{count} bend" + ("" if count == 1 else "s")
