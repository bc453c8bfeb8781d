"""Activations on intervals: how large they, their slopes and their bends can be there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, final

import torch
import torch.nn.functional as F
from torch import Tensor

from isthmus.ground import BadInput, UnknownOperator
from isthmus.landscape.enclosures.curves import Bent, Smooth
from isthmus.landscape.enclosures.rounding import room
from isthmus.landscape.enclosures.rules import functions


@final
@dataclass(frozen=True)
class Extremes:
    """Of a function on [low, high], elementwise; room for rounding included.

    Attributes:
        size: The largest absolute value.
        steepest: The largest absolute slope.
        turning: The largest slope minus the smallest.
        bend: The largest absolute second derivative; infinite where there is a corner inside.
    """

    size: Tensor
    steepest: Tensor
    turning: Tensor
    bend: Tensor


@final
@dataclass(frozen=True, eq=False)
class Activation:
    """A pointwise operator as a curve.

    Attributes:
        name: The operator's.
        curve: Its derivatives, and where they turn.
        most: A bound of its absolute value everywhere.
        stops: Above this the operator is another function than the curve.
    """

    name: str
    curve: Smooth | Bent
    most: float = math.inf
    stops: float = math.inf

    def __call__(self, z: Tensor) -> Tensor:
        """σ(z)."""
        return self.curve.value(z)

    def over(self, low: Tensor, high: Tensor) -> Extremes:
        """What can happen on [low, high]. Shapes must be equal; float64."""
        if isinstance(self.curve, Bent):
            least, most, bend = _slopes(self.curve, low, high)
        else:
            curve = self.curve
            least, most = _range(curve, low, high, 1)
            below, above = _range(curve, low, high, 2)
            bend = torch.maximum(below.abs(), above.abs())
        size = _size(self.curve.value(low), self.curve.value(high), least, most, high - low)
        return Extremes(
            _up(size).clamp(max=self.most),
            _up(torch.maximum(least.abs(), most.abs())),
            _up((most - least).clamp(min=0)),
            _up(bend),
        )

    def require(self, z: Tensor) -> None:
        """Raise BadInput where the operator is no longer the curve."""
        most = float(z.max())
        if most > self.stops:
            raise BadInput(
                f"a unit takes {most:.4g}, where torch cuts {self.name} off at {self.stops:.4g}",
                "give it a larger threshold",
            )

    def corner(self, low: float, high: float) -> float | None:
        """A corner in [low, high], where the function has no second derivative."""
        kinks = self.curve.kinks if isinstance(self.curve, Bent) else ()
        return next((kink for kink in kinks if low <= kink <= high), None)


def _up(value: Tensor) -> Tensor:
    return value + room() * (1 + value)


def _range(curve: Smooth, low: Tensor, high: Tensor, order: int) -> tuple[Tensor, Tensor]:
    """The least and largest of a derivative: at the ends, or where it turns."""
    function = curve.first if order == 1 else curve.second
    turns = curve.first_turns if order == 1 else curve.second_turns
    known = curve.first_range if order == 1 else curve.second_range
    if known is not None:
        return torch.full_like(low, known[0]), torch.full_like(low, known[1])
    ends = function(low), function(high)
    least, most = torch.minimum(*ends), torch.maximum(*ends)
    for turn in turns:
        inside = (low <= turn + 1e-9) & (high >= turn - 1e-9)
        there = function(low.new_full((), turn))
        least = torch.where(inside, torch.minimum(least, there), least)
        most = torch.where(inside, torch.maximum(most, there), most)
    return least, most


def _slopes(curve: Bent, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of a function that is linear between kinks: slopes of the pieces that the interval meets."""
    edges = [-math.inf, *curve.kinks, math.inf]
    least, most = torch.full_like(low, math.inf), torch.full_like(low, -math.inf)
    for left, right in pairwise(edges):
        start = left if math.isfinite(left) else min(right, 0.0) - 1
        stop = right if math.isfinite(right) else max(left, 0.0) + 1
        ends = curve.value(low.new_tensor([start, stop]))
        slope = float(ends[1] - ends[0]) / (stop - start)
        meets = (high >= left) & (low <= right)
        least = torch.where(meets, least.clamp(max=slope), least)
        most = torch.where(meets, most.clamp(min=slope), most)
    cornered = torch.zeros_like(low, dtype=torch.bool)
    for kink in curve.kinks:
        cornered |= (low <= kink) & (kink <= high)
    return least, most, torch.where(cornered, math.inf, 0.0).to(low)


def _size(start: Tensor, stop: Tensor, least: Tensor, most: Tensor, width: Tensor) -> Tensor:
    """The largest absolute value between two ends, for slopes from ``least`` to ``most``.

    Where slopes have both signs, the lines of extreme slope through both ends meet at the edges.
    """
    ends = torch.maximum(start.abs(), stop.abs())
    both = (least < 0) & (most > 0)
    spread = torch.where(both, most - least, 1.0)
    top = (most * stop - least * start - most * least * width) / spread
    bottom = (most * start - least * stop + most * least * width) / spread
    return torch.where(both, torch.maximum(torch.maximum(top.abs(), bottom.abs()), ends), ends)


_PLAIN: Mapping[str, Activation] = {
    one.name: one
    for one in (
        Activation("relu", functions.RELU),
        Activation("relu6", Bent(F.relu6, (0.0, 6.0)), most=6.0),
        Activation("abs", functions.ABSOLUTE),
        Activation("exp", functions.EXP),
        Activation("square", functions.SQUARE),
        Activation("tanh", functions.TANH, most=1.0),
        Activation("sigmoid", functions.SIGMOID, most=1.0),
        Activation("silu", functions.SILU),
        Activation("erf", functions.ERF, most=1.0),
        Activation("atan", functions.ATAN, most=math.pi / 2),
        Activation("sin", functions.SINE, most=1.0),
        Activation("cos", functions.COSINE, most=1.0),
    )
}

IDENTITY = Activation("identity", Bent(lambda z: z, ()))
"""No activation: a linear network."""


def activation(name: str, options: Mapping[str, Any]) -> Activation:
    """The activation that an operator of torch is, with the options of its call.

    Raises:
        UnknownOperator: Its slopes are not known.
    """
    if name in _PLAIN:
        return _PLAIN[name]
    match name, options:
        case "leaky_relu", {"negative_slope": slope}:
            return Activation(name, Bent(lambda z: F.leaky_relu(z, slope), (0.0,)))
        case "gelu", {"approximate": how}:
            return Activation(name, functions.GELU_TANH if how == "tanh" else functions.GELU)
        case "softplus", {"beta": 1 | 1.0, "threshold": threshold}:
            return Activation(name, functions.SOFTPLUS, stops=float(threshold))
        case "elu", {"alpha": 1 | 1.0, "scale": 1 | 1.0, "input_scale": 1 | 1.0}:
            return Activation(name, functions.ELU)
        case "hardtanh", {"min_val": low, "max_val": high}:
            edges = (float(low), float(high))
            return Activation(
                name, Bent(lambda z: F.hardtanh(z, *edges), edges), max(map(abs, edges))
            )
        case "pow", {"exponent": 2 | 2.0}:
            return _PLAIN["square"]
    shown = ", ".join(f"{k}={v}" for k, v in options.items() if isinstance(v, int | float | str))
    raise UnknownOperator(
        f"the slopes of the activation {name}({shown}) are not known",
        f"use one of {', '.join([*_PLAIN, 'leaky_relu', 'gelu', 'softplus', 'elu', 'hardtanh'])}",
    )
