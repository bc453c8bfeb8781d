"""Normalisation: by statistics that the model holds, and over groups of the numbers themselves."""

from __future__ import annotations

from typing import Any

from isthmus.ground import UnknownOperator
from isthmus.landscape.enclosures.calculus import add, average, centred, enclose, multiply
from isthmus.landscape.enclosures.enclosure import Enclosure, lift
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
    factor = _inverse_root(lift(running_var, like), eps)
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
    """x divided by the root of its mean square."""
    squares = enclose(functions.SQUARE, x)
    power = average(lambda t: t.mean(dims, keepdim=True), squares, count(x, dims))
    return multiply(x, _inverse_root(power, eps))


def _inverse_root(power: Enclosure, eps: float) -> Enclosure:
    """1 / sqrt(power + eps), for what is not negative."""
    return enclose(functions.RSQRT, add(power, lift(eps, power)), floor=eps)


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
