"""What the rules are made of: sums, products, means, functions, and what lies between two lines.

A product of affine forms has a term in s². As s² lies in [0, 1], half of its coefficient goes to
the centre and half of the absolute value to the radius.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from isthmus.landscape.enclosures.curves import Curve
from isthmus.landscape.enclosures.enclosure import Enclosure
from isthmus.landscape.enclosures.rounding import SLACK, TINY, room

Product = Callable[[Tensor, Tensor], Tensor]
Map = Callable[[Tensor], Tensor]


def add(x: Enclosure, y: Enclosure, factor: float = 1.0) -> Enclosure:
    """x + factor·y, with broadcasting."""
    if x.slope is None and y.slope is None:
        slope = None
    else:
        slope = x.tilt + factor * y.tilt
    centre = x.centre + factor * y.centre
    made = Enclosure(centre, slope)
    size = made.extent if abs(factor) == 1 else made.extent + abs(factor) * y.extent
    radius = (1 + room()) * (x.error + abs(factor) * y.error) + room() * size
    return Enclosure(centre, slope, radius)


def scale(x: Enclosure, factor: float) -> Enclosure:
    """factor·x, for a number that is taken as it is."""
    slope = None if x.slope is None else factor * x.slope
    radius = abs(factor) * ((1 + room()) * x.error + room() * x.extent) + TINY
    return Enclosure(factor * x.centre, slope, radius)


def multiply(x: Enclosure, y: Enclosure) -> Enclosure:
    """x·y, number by number, with broadcasting."""
    return bilinear(torch.mul, x, y, 1)


def bilinear(product: Product, x: Enclosure, y: Enclosure, terms: int) -> Enclosure:
    """``product(x, y)``, for a product that is linear in both and sums ``terms`` products.

    ``product`` must not have coefficients of its own but zeros and ones, so that products of
    absolute values bound those of the numbers. With p and q the products at s = 1 and -1, and m
    that of the slopes, the product of the affine parts is (p + q)/2 - m + s·(p - q)/2 + s²·m.
    """
    radius = _product_error(product, x, y, 2 * room(terms))
    if x.slope is None or y.slope is None:
        centre = product(x.centre, y.centre)
        if x.slope is not None:
            return Enclosure(centre, product(x.slope, y.centre), radius)
        return Enclosure(centre, y.slope if y.slope is None else product(x.centre, y.slope), radius)
    right = product(x.centre + x.slope, y.centre + y.slope)
    left = product(x.centre - x.slope, y.centre - y.slope)
    bend = product(x.slope, y.slope).mul_(0.5)
    slope = (right - left).mul_(0.5)
    centre = right.add_(left).mul_(0.5).sub_(bend)
    return Enclosure(centre, slope, radius.add_(bend.abs_()))


def _product_error(product: Product, x: Enclosure, y: Enclosure, rounding: float) -> Tensor:
    """The radius of a product without its term in s², rounding of all four products included.

    With |x| <= X + Rx and |y| <= Y + Ry it is X·Ry + Rx·(Y + Ry) + rounding·(X + Rx)·(Y + Ry).
    Where y has no radius, Ry is `SLACK`·Y, and one product does; so for x.
    """
    grow = 1 + 2 * SLACK
    if y.radius is None:
        found = product(grow * x.error + 2 * (SLACK + rounding) * x.extent, y.extent)
    elif x.radius is None:
        found = product(x.extent, grow * y.error + 2 * (SLACK + rounding) * y.extent)
    else:
        whole = y.extent + y.error
        found = product(x.extent, y.error + 2 * rounding * whole)
        found = found + product(grow * x.error, whole)
    return (1 + 2 * rounding) * found + TINY


def average(apply: Map, x: Enclosure, terms: int) -> Enclosure:
    """``apply(x)``, for a linear map with coefficients >= 0 that sums ``terms`` numbers."""
    rounding = 2 * room(terms)
    radius = (1 + rounding) * apply(x.error) + rounding * apply(x.extent) + TINY
    return Enclosure(apply(x.centre), None if x.slope is None else apply(x.slope), radius)


def between(low: Tensor, low_slope: Tensor, top: Tensor, top_slope: Tensor) -> Enclosure:
    """Of what lies above low + s·low_slope and below top + s·top_slope.

    The bound from above is kept as it is, up to rounding.
    """
    bottom = low - (low_slope - top_slope).abs()
    size = low.abs() + low_slope.abs() + top.abs() + top_slope.abs()
    radius = ((top - bottom) / 2).clamp(min=0) + room() * size
    return Enclosure((top + bottom) / 2, top_slope, radius + TINY)


def centred(x: Enclosure, dims: list[int]) -> Enclosure:
    """x less its mean over ``dims``: the remainder of the mean counts once, not twice."""
    n = max(1, math.prod(x.shape[dim] for dim in dims))
    mean = average(lambda t: t.mean(dims, keepdim=True), x, n)
    made = add(x, mean, -1.0)
    assert made.radius is not None
    return Enclosure(made.centre, made.slope, made.radius - (2 / n) * (1 - room(n)) * x.error)


def enclose(curve: Curve, x: Enclosure, floor: Tensor | float = -math.inf) -> Enclosure:
    """``curve`` of x: a line over the range of x, and half of what the function leaves over it.

    For ReLU this is the parallelogram around the triangle. Where x may leave the domain of the
    function, the radius is infinite.

    Args:
        curve: The function.
        x: What it is taken of.
        floor: What x is known not to fall below.
    """
    low, high = (end.clamp(min=floor) for end in x.range())
    outside = low <= curve.domain
    low, high = (torch.where(outside, curve.domain + 1.0, end) for end in (low, high))
    strip = curve.over(low, high)
    spread = (strip.most - strip.least) / 2 + room() * strip.size
    radius = (1 + room()) * (strip.slope.abs() * x.error + spread) + TINY
    slope = None if x.slope is None else strip.slope * x.slope
    centre = strip.slope * x.centre + (strip.most + strip.least) / 2
    return Enclosure(centre, slope, torch.where(outside, math.inf, radius))
