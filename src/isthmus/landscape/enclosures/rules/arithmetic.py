"""Sums, products, quotients, and sums and means over dimensions."""

from __future__ import annotations

import math
from typing import Any

from isthmus.landscape.enclosures.calculus import add, average, multiply, scale
from isthmus.landscape.enclosures.enclosure import Enclosure, lift
from isthmus.landscape.enclosures.rules.pointwise import reciprocal
from isthmus.landscape.enclosures.table import encloses


def _both(x: Any, y: Any) -> tuple[Enclosure, Enclosure]:
    like = x if isinstance(x, Enclosure) else y
    return lift(x, like), lift(y, like)


@encloses("add")
def plus(x: Any, y: Any, *, alpha: float = 1) -> Enclosure:
    """x + alpha·y."""
    return add(*_both(x, y), float(alpha))


@encloses("sub", "subtract")
def minus(x: Any, y: Any, *, alpha: float = 1) -> Enclosure:
    """x - alpha·y."""
    return add(*_both(x, y), -float(alpha))


@encloses("rsub")
def minus_from(x: Any, y: Any, *, alpha: float = 1) -> Enclosure:
    """y - alpha·x."""
    return minus(y, x, alpha=alpha)


@encloses("mul", "multiply")
def times(x: Any, y: Any) -> Enclosure:
    """x·y."""
    if isinstance(y, int | float):
        return scale(x, y)
    return multiply(*_both(x, y))


@encloses("div", "divide", "true_divide")
def over(x: Any, y: Any) -> Enclosure:
    """x / y."""
    if isinstance(y, int | float) and y and math.frexp(y)[0] in (0.5, -0.5):
        return scale(x, 1 / y)  # exact: a power of two
    one, other = _both(x, y)
    return multiply(one, reciprocal(other))


@encloses("neg")
def negative(x: Enclosure) -> Enclosure:
    """-x."""
    return scale(x, -1.0)


@encloses("sum")
def total(
    x: Enclosure, dim: Any = None, keepdim: bool = False, *, dtype: object = None
) -> Enclosure:
    """Over some dimensions, or over all."""
    dims = dimensions(x, dim)
    return average(lambda t: t.sum(dims, keepdim), x, count(x, dims))


@encloses("mean")
def mean(
    x: Enclosure, dim: Any = None, keepdim: bool = False, *, dtype: object = None
) -> Enclosure:
    """Over some dimensions, or over all."""
    dims = dimensions(x, dim)
    return average(lambda t: t.mean(dims, keepdim), x, count(x, dims))


def dimensions(x: Enclosure, dim: Any) -> list[int]:
    """What an operator's ``dim`` means."""
    if isinstance(dim, int):
        return [dim]
    return list(dim) if dim else list(range(x.dim()))


def count(x: Enclosure, dims: list[int]) -> int:
    """How many numbers there are along some dimensions."""
    return math.prod(x.shape[dim] for dim in dims)
