"""Criteria: cross-entropy, likelihoods, squared and absolute errors."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from isthmus.ground import UnknownOperator
from isthmus.landscape.enclosures.calculus import add, average, between, enclose, multiply, scale
from isthmus.landscape.enclosures.enclosure import Enclosure, lift
from isthmus.landscape.enclosures.rounding import room
from isthmus.landscape.enclosures.rules import functions
from isthmus.landscape.enclosures.rules.arithmetic import mean, total
from isthmus.landscape.enclosures.rules.shape import stack
from isthmus.landscape.enclosures.table import encloses

_NONE, _MEAN = 0, 1
"""How torch numbers the reductions."""


@encloses("cross_entropy_loss")
def cross_entropy(
    scores: Any,
    target: Tensor,
    weight: Any = None,
    reduction: int = _MEAN,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> Enclosure:
    """Of class indices or of shares of the classes, in dimension 1, or in 0 of one sample.

    With shares q of the target it is the log-sum-exp of the scores less their mean by q: what all
    scores have in common is gone before anything is bounded.
    """
    if weight is not None:
        raise UnknownOperator(
            "cannot bound a cross-entropy with weights of the classes", "leave the weights out"
        )
    axis = min(1, scores.dim() - 1)
    x = _last(scores, axis)
    classes = x.shape[-1]
    if target.is_floating_point():
        shares, count = target.movedim(axis, -1).double(), float(x.numel() // classes)
        valid = torch.ones(x.shape[:-1], dtype=torch.float64, device=x.device)
    else:
        valid = (target != ignore_index).double()
        shares = F.one_hot(target.clamp(0, classes - 1), classes).double()
        count = float(valid.sum())
    shares = (1 - label_smoothing) * shares + label_smoothing / classes
    whole = shares.sum(-1, keepdim=True)
    found = surprise(x, shares / whole)
    return _reduced(_masked(found, valid * whole.squeeze(-1)), reduction, count)


@encloses("nll_loss", "nll_loss_nd")
def nll_loss(
    x: Any, target: Tensor, weight: Any = None, reduction: int = _MEAN, ignore_index: int = -100
) -> Enclosure:
    """Less the log-likelihoods at the targets."""
    if weight is not None:
        raise UnknownOperator(
            "cannot bound a likelihood with weights of the classes", "leave the weights out"
        )
    moved = _last(x, min(1, x.dim() - 1))
    valid = (target != ignore_index).double()
    picked: Any = moved.gather(-1, target.clamp(min=0).unsqueeze(-1)).squeeze(-1)
    return _reduced(_masked(scale(picked, -1.0), valid), reduction, float(valid.sum()))


@encloses("log_softmax", "_log_softmax")
def log_softmax(x: Any, dim: int, *_: Any) -> Enclosure:
    """Less the cross-entropy of every class."""
    last = _last(x, dim)
    classes = last.shape[-1]
    unit = torch.eye(classes, dtype=torch.float64, device=x.device)
    made: Any = stack([scale(surprise(last, unit[k]), -1.0) for k in range(classes)], -1)
    found: Enclosure = made.movedim(-1, dim)
    return found


@encloses("logsumexp")
def logsumexp(x: Any, dim: Any, keepdim: bool = False) -> Enclosure:
    """Over one dimension."""
    (along,) = [dim] if isinstance(dim, int) else dim
    last = _last(x, along)
    made = _log_sum_exp(last.centre, last.tilt, last.error)
    found: Any = made.unsqueeze(along) if keepdim else made
    result: Enclosure = found
    return result


def surprise(x: Enclosure, shares: Tensor) -> Enclosure:
    """log(sum(exp(x))) - sum(shares·x) over the last dimension; the shares sum to one.

    Of the remainders, x's own at a class counts 1 - share there.
    """
    error = x.error
    rest = room(x.shape[-1]) * (x.extent + (shares * x.extent).sum(-1, keepdim=True))
    own = (1 - 2 * shares) * error + (shares * error).sum(-1, keepdim=True)
    centre, slope = (t - (shares * t).sum(-1, keepdim=True) for t in (x.centre, x.tilt))
    return _log_sum_exp(centre, slope, own.clamp(min=0) * (1 + room(x.shape[-1])) + rest)


def _log_sum_exp(centre: Tensor, slope: Tensor, error: Tensor) -> Enclosure:
    """Over the last dimension: convex in s and rising in every number.

    So it lies below the chord of its values at s = -1 and 1 with the remainders added, and above
    its tangent at s = 0 with them taken off.
    """
    right = torch.logsumexp(centre + slope + error, -1)
    left = torch.logsumexp(centre - slope + error, -1)
    low = torch.logsumexp(centre - error, -1)
    steep = (torch.softmax(centre - error, -1) * slope).sum(-1)
    size = (centre.abs() + slope.abs() + error).amax(-1)
    spare = 4 * room(centre.shape[-1]) * (1 + size)
    return between(low - spare, steep, (right + left) / 2 + spare, (right - left) / 2)


@encloses("mse_loss")
def mse_loss(x: Any, y: Any, reduction: int = _MEAN) -> Enclosure:
    """The square of the difference."""
    difference = _difference(x, y)
    return _reduced(enclose(functions.SQUARE, difference), reduction, difference.numel())


@encloses("l1_loss")
def l1_loss(x: Any, y: Any, reduction: int = _MEAN) -> Enclosure:
    """The absolute difference."""
    difference = _difference(x, y)
    return _reduced(enclose(functions.ABSOLUTE, difference), reduction, difference.numel())


@encloses("binary_cross_entropy_with_logits")
def binary_cross_entropy(
    x: Any, target: Any, weight: Any = None, pos_weight: Any = None, reduction: int = _MEAN
) -> Enclosure:
    """softplus(x) - target·x."""
    if weight is not None or pos_weight is not None:
        raise UnknownOperator("cannot bound a weighted binary cross-entropy", "leave weights out")
    made = add(enclose(functions.SOFTPLUS, x), multiply(x, lift(target, x)), -1.0)
    return _reduced(made, reduction, made.numel())


def _difference(x: Any, y: Any) -> Enclosure:
    like = x if isinstance(x, Enclosure) else y
    return add(lift(x, like), lift(y, like), -1.0)


def _last(x: Any, dim: int) -> Enclosure:
    made: Enclosure = x.movedim(dim, -1)
    return made


def _masked(x: Enclosure, valid: Tensor) -> Enclosure:
    return average(lambda t: t * valid, x, 1)


def _reduced(x: Enclosure, reduction: int, count: float) -> Enclosure:
    """The mean by ``count``, the sum, or neither."""
    if reduction == _NONE:
        return x
    if reduction == _MEAN and count == x.numel():
        return mean(x)
    summed = total(x)
    return summed if reduction != _MEAN else average(lambda t: t / count, summed, 1)
