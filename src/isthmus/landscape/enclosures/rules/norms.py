"""Normalisation: by statistics that the model holds, and over groups of the numbers themselves."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from isthmus.ground import UnknownOperator
from isthmus.landscape.enclosures.calculus import add, average, centred, enclose, multiply
from isthmus.landscape.enclosures.enclosure import Enclosure, lift
from isthmus.landscape.enclosures.rounding import room
from isthmus.landscape.enclosures.rules import functions
from isthmus.landscape.enclosures.rules.arithmetic import count
from isthmus.landscape.enclosures.table import encloses


@encloses("batch_norm")
def batch_norm(
    x: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    training: bool,
    momentum: float,
    eps: float,
    cudnn: bool,
) -> Enclosure:
    """An affine map of every channel, as in evaluation mode."""
    if training or running_mean is None:
        raise UnknownOperator(
            "cannot bound the loss through a batch norm that measures its batch",
            "keep running statistics, which evaluation mode takes",
        )
    like = next(t for t in (x, weight, running_var) if isinstance(t, Enclosure))
    factor = _inverse_root(lift(running_var, like), eps, -math.inf)
    if weight is not None:
        factor = multiply(factor, lift(weight, like))
    shift = multiply(lift(running_mean, like), factor)
    shape = (-1, *[1] * (x.dim() - 2))
    made = multiply(lift(x, like), _reshaped(factor, shape))
    made = add(made, _reshaped(shift, shape), -1.0)
    return made if bias is None else add(made, _reshaped(lift(bias, like), shape))


@encloses("layer_norm")
def layer_norm(
    x: Any,
    shape: list[int],
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
    cudnn: bool = True,
) -> Enclosure:
    """Mean 0 and variance 1 over the last dimensions, then a gain and a bias."""
    found = _normalised(centred(x, _last(shape)), _last(shape), eps)
    return _gained(found, weight, bias)


@encloses("rms_norm")
def rms_norm(x: Any, shape: list[int], weight: Any = None, eps: Any = None) -> Enclosure:
    """Mean square 1 over the last dimensions, then a gain."""
    return _gained(_normalised(x, _last(shape), 2.0**-52 if eps is None else eps), weight, None)


@encloses("group_norm")
def group_norm(
    x: Any, groups: int, weight: Any, bias: Any, eps: float = 1e-5, cudnn: bool = True
) -> Enclosure:
    """Mean 0 and variance 1 over groups of channels, then a gain and a bias of every channel."""
    flat = _reshaped(x, (x.shape[0], groups, -1))
    found = _reshaped(_normalised(centred(flat, [2]), [2], eps), tuple(x.shape))
    channels = (-1, *[1] * (x.dim() - 2))
    gains = [None if t is None else _reshaped(lift(t, x), channels) for t in (weight, bias)]
    return _gained(found, *gains)


def _last(shape: list[int]) -> list[int]:
    return list(range(-len(shape), 0))


def _normalised(x: Enclosure, dims: list[int], eps: float) -> Enclosure:
    """x divided by the root r of its mean square and eps.

    First the affine part alone. With a remainder e of root mean square E, r changes by at most E,
    as it is a norm, so x / r by at most (|e| + |x / r|·E) / r, with r the least that it can become;
    and no number of x / r exceeds the root of how many there are.
    """
    n = count(x, dims)
    affine = Enclosure(x.centre, x.slope)
    least = _least_power(affine, dims) + eps
    power = average(lambda t: t.mean(dims, keepdim=True), enclose(functions.SQUARE, affine), n)
    made = multiply(affine, _inverse_root(power, eps, least))
    moved = ((1 + room(n)) * x.error.square().mean(dims, keepdim=True)).sqrt()
    root = ((1 - room()) * least.sqrt() - moved).clamp(min=(1 - room()) * math.sqrt(eps))
    size = (made.extent + made.error).clamp(max=math.sqrt(n))
    change = torch.minimum((x.error + size * moved) / root, size + math.sqrt(n))
    return Enclosure(made.centre, made.slope, made.error + (1 + room(n)) * change)


def _least_power(x: Enclosure, dims: list[int]) -> Tensor:
    """The least mean square of an affine x: v + 2cs + ws² is least at s = -c / w."""
    v, c, w = (
        (a * b).mean(dims, keepdim=True)
        for a, b in ((x.centre, x.centre), (x.centre, x.tilt), (x.tilt, x.tilt))
    )
    spare = room(count(x, dims)) * (v + 2 * c.abs() + w)
    s = torch.where(w > 0, -c / w, -c.sign()).clamp(-1, 1)
    return (v + 2 * c * s + w * s**2 - 4 * spare).clamp(min=0)


def _inverse_root(power: Enclosure, eps: float, least: Tensor | float) -> Enclosure:
    """1 / sqrt(power + eps), for what with eps is known not to fall below ``least``."""
    return enclose(functions.RSQRT, add(power, lift(eps, power)), floor=least)


def _gained(x: Enclosure, weight: Any, bias: Any) -> Enclosure:
    if weight is not None:
        x = multiply(x, lift(weight, x))
    return x if bias is None else add(x, lift(bias, x))


def _reshaped(x: Any, shape: tuple[int, ...]) -> Any:
    return x.reshape(shape)


@encloses("instance_norm")
def instance_norm(
    x: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn: bool,
) -> Enclosure:
    """A group for every channel; or a batch norm, where the model holds statistics."""
    if use_input_stats:
        return group_norm(x, x.shape[1], weight, bias, eps)
    return batch_norm(x, weight, bias, running_mean, running_var, False, momentum, eps, cudnn)
