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
        turns: Where it changes between rising and falling; None for a wave between -1 and 1.
        stops: Above this the operator is another function than the curve.
    """

    name: str
    curve: Smooth | Bent
    turns: tuple[float, ...] | None = ()
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
        return Extremes(
            _up(self._size(low, high)),
            _up(torch.maximum(least.abs(), most.abs())),
            _up((most - least).clamp(min=0)),
            _up(bend),
        )

    def _size(self, low: Tensor, high: Tensor) -> Tensor:
        """The largest absolute value: at the ends, or where the function turns."""
        if self.turns is None:
            return torch.ones_like(low)
        size = torch.maximum(self(low).abs(), self(high).abs())
        for turn in self.turns:
            inside = (low <= turn + 1e-9) & (high >= turn - 1e-9)
            size = torch.where(
                inside, size.clamp(min=float(self(low.new_tensor(turn)).abs())), size
            )
        return size

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


_PLAIN: Mapping[str, Activation] = {
    one.name: one
    for one in (
        Activation("relu", functions.RELU),
        Activation("relu6", Bent(F.relu6, (0.0, 6.0))),
        Activation("abs", functions.ABSOLUTE, (0.0,)),
        Activation("exp", functions.EXP),
        Activation("square", functions.SQUARE, (0.0,)),
        Activation("tanh", functions.TANH),
        Activation("sigmoid", functions.SIGMOID),
        Activation("silu", functions.SILU, (-1.278464542761074,)),
        Activation("erf", functions.ERF),
        Activation("atan", functions.ATAN),
        Activation("sin", functions.SINE, None),
        Activation("cos", functions.COSINE, None),
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
        case "gelu", {"approximate": "none"}:
            return Activation(name, functions.GELU, (-0.7517915246935645,))
        case "gelu", {"approximate": "tanh"}:
            return Activation(name, functions.GELU_TANH, (-0.7524614220710163,))
        case "softplus", {"beta": 1 | 1.0, "threshold": threshold}:
            return Activation(name, functions.SOFTPLUS, stops=float(threshold))
        case "elu", {"alpha": 1 | 1.0, "scale": 1 | 1.0, "input_scale": 1 | 1.0}:
            return Activation(name, functions.ELU)
        case "hardtanh", {"min_val": low, "max_val": high}:
            edges = (float(low), float(high))
            return Activation(name, Bent(lambda z: F.hardtanh(z, *edges), edges))
        case "pow", {"exponent": 2 | 2.0}:
            return _PLAIN["square"]
    shown = ", ".join(f"{k}={v}" for k, v in options.items() if isinstance(v, int | float | str))
    raise UnknownOperator(
        f"the slopes of the activation {name}({shown}) are not known",
        f"use one of {', '.join([*_PLAIN, 'leaky_relu', 'gelu', 'softplus', 'elu', 'hardtanh'])}",
    )
