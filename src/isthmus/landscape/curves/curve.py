"""Curve: a path that mixes control points as a shape says."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import final

import torch
from torch import Tensor

from isthmus.ground import BadInput, Params, is_real_valued
from isthmus.ground.params import is_statistic
from isthmus.landscape.curves.mixing import mix
from isthmus.landscape.curves.shapes import PolygonalChain, Shape
from isthmus.landscape.curves.training.record import TrainingRecord
from isthmus.landscape.paths import AbstractPath, require_alike, require_inside


@final
@dataclass(frozen=True, eq=False)
class Curve(AbstractPath):
    """``Σ_k w_k(t) points[k]``, with the weights of ``shape``; exact at both ends.

    What a BatchNorm measured is mixed along straight segments between the control points, whatever
    the shape: a mean of variances is a variance, which a spline is not. Integer tensors, and
    buffers that all points share, are those of the first point.

    Args:
        shape: The weights.
        points: ``shape.bends + 2`` control points, of which the first and the last are the ends.
        record: How the inner points were trained, if they were.

    Raises:
        BadInput: The number of points is another.
        UnknownName: Their names differ; so ShapeMismatch and DtypeMismatch.
    """

    shape: Shape
    points: Sequence[Mapping[str, Tensor]]
    record: TrainingRecord | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if len(self.points) != self.shape.bends + 2:
            raise BadInput(
                f"a {self.shape.kind} has {self.shape.bends + 2} control points, "
                f"but {len(self.points)} are given",
                "give both ends and one point for each bend",
            )
        for point in self.points[1:]:
            require_alike(self.points[0], point)

    @property
    def kind(self) -> str:
        """That of the shape."""
        return self.shape.kind

    @cached_property
    def _chain(self) -> PolygonalChain:
        """By which statistics are mixed."""
        return PolygonalChain(self.shape.bends)

    @cached_property
    def _varied(self) -> tuple[str, ...]:
        """The tensors that hold real numbers and are not the same in all points."""
        first, *others = self.points
        return tuple(
            name
            for name, tensor in first.items()
            if is_real_valued(tensor)
            and not all(torch.equal(tensor, other[name]) for other in others)
        )

    def _at(self, t: float) -> Params:
        if t in (0, 1):
            mixed = {n: self.points[int(t) * -1][n].clone() for n in self._varied}
        else:
            mixed = self._mixed(t, 0)
        return {name: mixed.get(name, tensor) for name, tensor in self.points[0].items()}

    def _mixed(self, t: float, order: int) -> Params:
        """The tensors that vary, or their derivatives of this order."""
        weights, measured = (one.weights(t, order).tolist() for one in (self.shape, self._chain))
        return {
            name: mix(
                [point[name] for point in self.points],
                measured if is_statistic(name) else weights,
            )
            for name in self._varied
        }

    @property
    def breaks(self) -> tuple[float, ...]:
        """Those of the shape."""
        return self.shape.breaks

    def jet(self, t: float, order: int = 2) -> list[Params]:
        """The point at ``t`` and its derivatives by t, up to ``order``; without integer tensors.

        At a break, as of what follows.

        Raises:
            BadInput: ``t`` is outside [0, 1].
        """
        here = {name: tensor for name, tensor in self(t).items() if is_real_valued(tensor)}
        still = {name: torch.zeros_like(tensor) for name, tensor in here.items()}
        return [here, *(still | self._mixed(t, k) for k in range(1, order + 1))]

    @cached_property
    def _gram(self) -> Tensor:
        """Inner products of all points but the first, from the first; without statistics."""
        first, *others = self.points
        total = torch.zeros(len(others), len(others), dtype=torch.float64)
        for name in self._varied:
            if is_statistic(name):
                continue
            wide = torch.complex128 if first[name].is_complex() else torch.float64
            start = first[name].detach().to(wide)
            rows = torch.stack([(one[name].detach().to(wide) - start).flatten() for one in others])
            total += (rows @ rows.mH).real.cpu()
        return total

    def speed(self, t: float) -> float:
        """The norm of the derivative by t; what a BatchNorm measured does not count.

        Raises:
            BadInput: ``t`` is outside [0, 1].
        """
        require_inside(t)
        slopes = self.shape.weights(t, 1)[1:]  # all of them sum to 0
        return math.sqrt(max(0.0, float(slopes @ self._gram @ slopes)))
