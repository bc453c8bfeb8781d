"""A line on an interval of t: its parameters as enclosures, and what bounds the loss there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from isthmus.ground import BadInput, Params, UnknownOperator
from isthmus.landscape.enclosures.enclosure import Enclosure, lift
from isthmus.landscape.enclosures.rounding import NARROWEST, TINY, room
from isthmus.landscape.running import Inputs, run


@dataclass(frozen=True)
class Interval:
    """Values of t from ``start`` to ``stop``."""

    start: float
    stop: float

    @property
    def centre(self) -> float:
        """The middle."""
        return (self.start + self.stop) / 2

    @property
    def reach(self) -> float:
        """From the middle to the ends, rounded up; 0 for a point."""
        if self.start == self.stop:
            return 0.0
        return math.nextafter(max(self.stop - self.centre, self.centre - self.start), math.inf)

    def split(self, pieces: int) -> Iterator[Interval]:
        """Equal parts."""
        width = (self.stop - self.start) / pieces
        cuts = [self.start + k * width for k in range(pieces)] + [self.stop]
        return (Interval(a, b) for a, b in pairwise(cuts))


@dataclass(frozen=True)
class Between:
    """A function of s in [-1, 1] within ``radius`` of centre + s·slope."""

    centre: float
    slope: float
    radius: float

    def top(self, s: float) -> float:
        """The bound from above at ``s``; infinity where nothing is known."""
        return _known(self.centre + s * self.slope + self.radius, math.inf)

    def bottom(self, s: float) -> float:
        """The bound from below at ``s``."""
        return _known(self.centre + s * self.slope - self.radius, -math.inf)


def enclosed(
    a: Mapping[str, Tensor], b: Mapping[str, Tensor], where: Interval
) -> dict[str, Enclosure | Tensor]:
    """(1 - t) a + t b on an interval of t, in real arithmetic; whole numbers are those of ``a``.

    Raises:
        UnknownOperator: A tensor is complex.
    """
    for name, tensor in a.items():
        if tensor.is_complex():
            raise UnknownOperator(
                f"cannot bound the loss of complex parameters: {name!r}", "hold them as real pairs"
            )
    return {n: _line(x, b[n], where) if x.is_floating_point() else x for n, x in a.items()}


def _line(a: Tensor, b: Tensor, where: Interval) -> Enclosure:
    t, reach = where.centre, where.reach
    one, other = a.double(), b.double()
    if reach == 0 and t in (0, 1):
        return Enclosure(one if t == 0 else other)
    centre = (1 - t) * one + t * other
    slope = reach * (other - one) if reach else None
    if reach >= NARROWEST:  # then the rounding is small even where the centre cancels
        return Enclosure(centre, slope)
    return Enclosure(centre, slope, room() * (one.abs() + other.abs()) + TINY)


def loss_between(
    model: nn.Module, weights: Params, criterion: Any, inputs: Inputs, targets: Any
) -> Between:
    """The criterion of one batch, for weights that are enclosures.

    Raises:
        BadInput: The data do not fit, or the criterion does not give one number.
        UnknownOperator: An operator has no enclosure.
    """
    found = criterion(run(model, weights, exact(inputs)), targets)
    if found.numel() != 1:
        raise BadInput(
            f"the criterion gives shape {tuple(found.shape)}, expected one number",
            "let it return the mean over the samples",
        )
    value = lift(found, found)
    return Between(float(value.centre), float(value.tilt), float(value.error))


def exact(tree: Any) -> Any:
    """Every floating-point tensor in ``tree`` as an enclosure of itself."""
    if isinstance(tree, Tensor):
        return Enclosure(tree.double()) if tree.is_floating_point() else tree
    if isinstance(tree, Mapping):
        return {name: exact(item) for name, item in tree.items()}
    return tuple(map(exact, tree)) if isinstance(tree, tuple | list) else tree


def _known(value: float, otherwise: float) -> float:
    return otherwise if math.isnan(value) else value
