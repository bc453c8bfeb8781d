"""Functions of one variable: activations, powers, clamps."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F

from isthmus.ground import UnknownOperator
from isthmus.landscape.enclosures.calculus import add, enclose, multiply, scale
from isthmus.landscape.enclosures.curves import Bent, Curve
from isthmus.landscape.enclosures.enclosure import Enclosure
from isthmus.landscape.enclosures.rounding import room
from isthmus.landscape.enclosures.rules import functions
from isthmus.landscape.enclosures.table import encloses

_PLAIN: dict[str, Curve] = {
    "relu": functions.RELU,
    "relu6": Bent(F.relu6, (0.0, 6.0)),
    "abs": functions.ABSOLUTE,
    "exp": functions.EXP,
    "log": functions.LOG,
    "sqrt": functions.SQRT,
    "square": functions.SQUARE,
    "tanh": functions.TANH,
    "sigmoid": functions.SIGMOID,
    "silu": functions.SILU,
    "erf": functions.ERF,
    "atan": functions.ATAN,
    "sin": functions.SINE,
    "cos": functions.COSINE,
    "rsqrt": functions.RSQRT,
    "hardsigmoid": Bent(F.hardsigmoid, (-3.0, 3.0)),
}


def _plain(name: str, curve: Curve) -> None:
    encloses(name)(lambda x: enclose(curve, x))


for _name, _curve in _PLAIN.items():
    _plain(_name, _curve)


@encloses("leaky_relu")
def leaky_relu(x: Enclosure, negative_slope: float = 0.01) -> Enclosure:
    """Bent at zero."""
    return enclose(Bent(lambda y: F.leaky_relu(y, negative_slope), (0.0,)), x)


@encloses("prelu")
def prelu(x: Enclosure, weight: Enclosure) -> Enclosure:
    """max(x, 0) less weight·max(-x, 0), as the weight moves too."""
    shape = [1] * x.dim()
    if x.dim() > 1:
        shape[1] = weight.numel()
    lower = enclose(functions.RELU, scale(x, -1.0))
    steep: Enclosure = weight.reshape(shape)  # type: ignore[assignment]
    return add(enclose(functions.RELU, x), multiply(lower, steep), -1.0)


@encloses("elu")
def elu(
    x: Enclosure, alpha: float = 1.0, factor: float = 1.0, input_factor: float = 1.0
) -> Enclosure:
    """The smooth one with alpha and factors 1, and what is left over, which is bent at zero."""
    smooth = scale(enclose(functions.ELU, scale(x, input_factor)), alpha)
    return scale(add(smooth, enclose(functions.RELU, x), 1 - alpha * input_factor), factor)


@encloses("celu")
def celu(x: Enclosure, alpha: float = 1.0) -> Enclosure:
    """The ELU that is smooth for every alpha."""
    return elu(x, alpha, 1.0, 1 / alpha)


@encloses("selu")
def selu(x: Enclosure) -> Enclosure:
    """The ELU of Klambauer et al. 2017, with torch's constants."""
    return elu(x, 1.6732632423543772, 1.0507009873554805)


@encloses("gelu")
def gelu(x: Enclosure, *, approximate: str = "none") -> Enclosure:
    """Of the normal distribution, or approximate by tanh."""
    return enclose(functions.GELU_TANH if approximate == "tanh" else functions.GELU, x)


@encloses("softplus")
def softplus(x: Enclosure, beta: float = 1.0, threshold: float = 20.0) -> Enclosure:
    """With room for what torch leaves off beyond the threshold."""
    scaled = scale(x, beta)
    found = scale(enclose(functions.SOFTPLUS, scaled), 1 / beta)
    left_off = torch.where(scaled.range()[1] > threshold, math.exp(-threshold) / abs(beta), 0.0)
    return Enclosure(found.centre, found.slope, (1 + room()) * (found.error + left_off))


@encloses("log_sigmoid")
def log_sigmoid(x: Enclosure) -> Enclosure:
    """-softplus(-x)."""
    return scale(softplus(scale(x, -1.0)), -1.0)


@encloses("glu")
def glu(x: Enclosure, dim: int = -1) -> Enclosure:
    """The first half, times the sigmoid of the second."""
    half = x.shape[dim] // 2
    first: Any = x.narrow(dim, 0, half)
    second: Any = x.narrow(dim, half, half)
    return multiply(first, enclose(functions.SIGMOID, second))


@encloses("mish")
def mish(x: Enclosure) -> Enclosure:
    """x·tanh(softplus(x))."""
    return multiply(x, enclose(functions.TANH, softplus(x)))


@encloses("hardswish")
def hardswish(x: Enclosure) -> Enclosure:
    """x·hardsigmoid(x)."""
    return multiply(x, enclose(_PLAIN["hardsigmoid"], x))


@encloses("hardtanh")
def hardtanh(x: Enclosure, low: float = -1.0, high: float = 1.0) -> Enclosure:
    """Bent at both bounds."""
    return clamp(x, low, high)


@encloses("clamp")
def clamp(x: Enclosure, low: Any = None, high: Any = None) -> Enclosure:
    """Bent at both bounds, which are numbers."""
    if any(isinstance(bound, torch.Tensor) for bound in (low, high)):
        raise UnknownOperator(
            "cannot bound the loss through 'clamp' with tensors as bounds",
            "clamp to numbers, or use a sampled barrier",
        )
    kinks = tuple(float(bound) for bound in (low, high) if bound is not None)
    return enclose(Bent(lambda y: y.clamp(low, high), kinks), x)


@encloses("clamp_min")
def clamp_min(x: Enclosure, low: Any) -> Enclosure:
    """Bent at the bound."""
    return clamp(x, low)


@encloses("clamp_max")
def clamp_max(x: Enclosure, high: Any) -> Enclosure:
    """Bent at the bound."""
    return clamp(x, None, high)


@encloses("reciprocal")
def reciprocal(x: Enclosure) -> Enclosure:
    """Of numbers of one sign each; nothing is known where zero is near."""
    sign = torch.where(x.centre < 0, -1.0, 1.0)
    flipped = Enclosure(sign * x.centre, sign * x.tilt, x.error)
    found = enclose(functions.RECIPROCAL, flipped)
    return Enclosure(sign * found.centre, sign * found.tilt, found.error)


_POWERS: dict[float, Curve] = {
    2: functions.SQUARE,
    0.5: functions.SQRT,
    -0.5: functions.RSQRT,
}


@encloses("pow")
def power(x: Any, exponent: Any) -> Enclosure:
    """Whole powers by products, halves by roots."""
    if isinstance(x, Enclosure) and isinstance(exponent, int | float):
        if exponent in _POWERS:
            return enclose(_POWERS[exponent], x)
        if exponent < 0:
            return reciprocal(power(x, -exponent))
        if exponent == int(exponent) and exponent >= 1:
            return x if exponent == 1 else multiply(x, power(x, exponent - 1))
    raise UnknownOperator(
        f"cannot bound the loss through the operator 'pow' with exponent {exponent}",
        "use a whole power, 0.5 or -0.5, or a sampled barrier",
    )
