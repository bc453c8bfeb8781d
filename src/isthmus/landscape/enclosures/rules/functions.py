"""The functions of one variable, with their derivatives and where those turn."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from isthmus.landscape.enclosures.curves import Bent, Smooth


def _bell(y: Tensor) -> Tensor:
    """1 - tanh², without cancellation."""
    return torch.cosh(y).pow(-2)


def _logistic_slope(y: Tensor) -> Tensor:
    return torch.sigmoid(y) * torch.sigmoid(-y)


def _normal(y: Tensor) -> Tensor:
    return torch.exp(-(y**2) / 2) / math.sqrt(2 * math.pi)


def _gelu_inner(y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What the tanh of the approximate GELU is taken of, and its two derivatives."""
    k, c = math.sqrt(2 / math.pi), 0.044715
    return k * (y + c * y**3), k * (1 + 3 * c * y**2), 6 * k * c * y


def _gelu_tanh_first(y: Tensor) -> Tensor:
    u, du, _ = _gelu_inner(y)
    return torch.sigmoid(2 * u) + y * _bell(u) * du / 2


def _gelu_tanh_second(y: Tensor) -> Tensor:
    u, du, ddu = _gelu_inner(y)
    return _bell(u) * (du + y * (ddu / 2 - torch.tanh(u) * du**2))


def _smooth_sine(shift: float) -> Smooth:
    """sin(y + shift)."""
    return Smooth(
        lambda y: torch.sin(y + shift),
        lambda y: torch.cos(y + shift),
        lambda y: -torch.sin(y + shift),
        first_range=(-1.0, 1.0),
        second_range=(-1.0, 1.0),
    )


RELU = Bent(torch.relu, (0.0,))
ABSOLUTE = Bent(torch.abs, (0.0,))
SQUARE = Smooth(torch.square, lambda y: 2 * y, lambda y: torch.full_like(y, 2.0))
EXP = Smooth(torch.exp, torch.exp, torch.exp)
TANH = Smooth(
    torch.tanh,
    _bell,
    lambda y: -2 * torch.tanh(y) * _bell(y),
    (0.0,),
    (-0.6584789484624083, 0.6584789484624083),  # tanh² = 1/3
)
SIGMOID = Smooth(
    torch.sigmoid,
    _logistic_slope,
    lambda y: -torch.tanh(y / 2) * _logistic_slope(y),
    (0.0,),
    (-1.3169578969248166, 1.3169578969248166),
)
SOFTPLUS = Smooth(
    lambda y: torch.logaddexp(y, y.new_zeros(())), torch.sigmoid, _logistic_slope, (), (0.0,)
)
SILU = Smooth(
    F.silu,
    lambda y: torch.sigmoid(y) + y * _logistic_slope(y),
    lambda y: _logistic_slope(y) * (2 - y * torch.tanh(y / 2)),
    (-2.399357280515468, 2.399357280515468),  # y·tanh(y/2) = 2
    (-3.435840993535111, 0.0, 3.435840993535111),
)
GELU = Smooth(
    F.gelu,
    lambda y: torch.special.ndtr(y) + y * _normal(y),
    lambda y: _normal(y) * (2 - y**2),
    (-math.sqrt(2), math.sqrt(2)),
    (-2.0, 0.0, 2.0),
)
GELU_TANH = Smooth(
    lambda y: F.gelu(y, approximate="tanh"),
    _gelu_tanh_first,
    _gelu_tanh_second,
    (-1.418504008790828, 1.418504008790828),
    (-2.013480724624258, 0.0, 2.013480724624258),
)
ELU = Smooth(
    F.elu,
    lambda y: torch.exp(y.clamp(max=0)),
    lambda y: torch.where(y <= 0, torch.exp(y.clamp(max=0)), torch.zeros_like(y)),
    (),
    (0.0,),
)
ERF = Smooth(
    torch.erf,
    lambda y: 2 / math.sqrt(math.pi) * torch.exp(-(y**2)),
    lambda y: -4 / math.sqrt(math.pi) * y * torch.exp(-(y**2)),
    (0.0,),
    (-math.sqrt(0.5), math.sqrt(0.5)),
)
ATAN = Smooth(
    torch.atan,
    lambda y: 1 / (1 + y**2),
    lambda y: -2 * y / (1 + y**2) ** 2,
    (0.0,),
    (-math.sqrt(1 / 3), math.sqrt(1 / 3)),
)
LOG = Smooth(torch.log, torch.reciprocal, lambda y: -y.pow(-2), domain=0.0)
SQRT = Smooth(torch.sqrt, lambda y: torch.rsqrt(y) / 2, lambda y: -y.pow(-1.5) / 4, domain=0.0)
RSQRT = Smooth(torch.rsqrt, lambda y: -y.pow(-1.5) / 2, lambda y: 0.75 * y.pow(-2.5), domain=0.0)
RECIPROCAL = Smooth(torch.reciprocal, lambda y: -y.pow(-2), lambda y: 2 * y.pow(-3), domain=0.0)
SINE = _smooth_sine(0.0)
COSINE = _smooth_sine(math.pi / 2)
