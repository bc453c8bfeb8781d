"""Softmax and attention."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from isthmus.landscape.enclosures.calculus import add, scale
from isthmus.landscape.enclosures.enclosure import Enclosure, lift
from isthmus.landscape.enclosures.rounding import TINY, room
from isthmus.landscape.enclosures.rules.contraction import matmul
from isthmus.landscape.enclosures.rules.shape import dropout, where
from isthmus.landscape.enclosures.table import encloses

_FAR = 700.0
"""Below the largest number by this, a share is less than `TINY`."""


@encloses("softmax", "_softmax")
def softmax(x: Any, dim: int, *_: Any) -> Enclosure:
    """By its values and derivatives at s = 0, or by the least and largest share of every number.

    With p the shares there, v(s) what x moves by, and P the largest share on the way,
    p_j(x) = p_j + p_j·(v_j - <p, v>) and a remainder of at most P_j·w²/2: its second derivative
    along v is P_j·((v_j - <P, v>)² - Var_P(v)), and both terms lie in [0, w²] for v in a range of
    width w. Numbers that are minus infinity, or so far below others that their shares are less
    than `TINY`, are no part of it.
    """
    last: Any = x.movedim(dim, -1)
    found = _softmax(last)
    made: Any = found.movedim(-1, dim)
    result: Enclosure = made
    return result


def _softmax(x: Enclosure) -> Enclosure:
    """Over the last dimension."""
    low, high = x.range()
    hidden = torch.isneginf(x.centre) | (high < low.amax(-1, keepdim=True) - _FAR)
    slope = x.tilt.masked_fill(hidden, 0.0)
    error = x.error.masked_fill(hidden, 0.0)
    error = error + room(4) * x.extent.masked_fill(hidden, 0.0)
    share = torch.softmax(x.centre, -1)
    common = (share * slope).sum(-1, keepdim=True)
    first = share * (slope - common)
    moved = slope.abs() + error
    width = _span(slope - common, error, hidden)
    low, high = _shares(x.centre, moved, hidden)
    noise = share * ((1 - 2 * share) * error + (share * error).sum(-1, keepdim=True)).clamp(min=0)
    spare = 8 * room(x.shape[-1]) * (share * (1 + width) + high)
    radius = noise + high * width**2 / 2 + spare + TINY
    plain = (high - low) / 2 + spare + TINY
    better = radius < plain
    return Enclosure(
        torch.where(better, share, (high + low) / 2),
        torch.where(better, first, torch.zeros_like(first)),
        torch.where(better, radius, plain),
    )


def _span(slope: Tensor, error: Tensor, hidden: Tensor) -> Tensor:
    """How far apart the moves of two numbers of one row can be, at one s."""
    most = (slope + error).masked_fill(hidden, -math.inf).amax(-1, keepdim=True)
    least = (slope - error).masked_fill(hidden, math.inf).amin(-1, keepdim=True)
    return most - least


def _shares(centre: Tensor, reach: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
    """The least and the largest share of every number, when each moves by up to ``reach``."""
    top = (centre + reach).amax(-1, keepdim=True)
    most, least = torch.exp(centre + reach - top), torch.exp(centre - reach - top)
    others_least = (least.sum(-1, keepdim=True) - least).clamp(min=0)
    whole = most.sum(-1, keepdim=True)
    others_most = whole - most + room(centre.shape[-1]) * whole  # what cancels is added again
    high = most / (most + others_least)
    low = least / (least + others_most)
    return low.masked_fill(hidden, 0.0), high.masked_fill(hidden, 0.0).clamp(max=1.0)


@encloses("scaled_dot_product_attention")
def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Enclosure:
    """softmax(query·keyᵀ·scale + mask)·value.

    As shares sum to one, a constant may be taken off the values before and added again after:
    their mean, so that the remainders of the shares count by what tells values apart.
    """
    if enable_gqa:
        key, value = (t.repeat_interleave(query.shape[-3] // t.shape[-3], -3) for t in (key, value))
    scores = _scaled(matmul(query, key.transpose(-2, -1)), query.shape[-1], scale)
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        scores = where(attn_mask, scores, -math.inf)
    elif attn_mask is not None:
        scores = add(scores, lift(attn_mask, scores))
    shares = dropout(softmax(scores, -1), dropout_p, True)
    values = lift(value, scores)
    middle = lift(values.centre.mean(-2, keepdim=True), scores)
    return add(matmul(shares, add(values, middle, -1.0)), middle)


def _scaled(scores: Enclosure, width: int, factor: float | None) -> Enclosure:
    return scale(scores, 1 / math.sqrt(width) if factor is None else factor)
