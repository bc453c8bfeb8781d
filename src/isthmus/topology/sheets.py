"""Sheets: the minimum of a one-dimensional linear network as a graph, its components on a grid."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from isthmus.ground import BadInput, Result

_MOST = 30_000_000


@final
@dataclass(frozen=True, eq=False)
class Sheets(Result):
    """The surface W_{k+1} (W_k ... W_1 + skip) = 1 over a grid of (W_1, ..., W_k).

    The components are those that a labelling of the grid finds, not those that a formula says.

    Attributes:
        skip: The skip connection, ε; 0 without.
        margin: Where the size of W_k ... W_1 + ε is below this, no sheet is drawn.
        axis: The values of each W, float64 of shape (steps,), 0 in the middle.
        denominators: W_k ... W_1 + ε on the grid, float64 with k axes of ``steps``.
        labels: The sheet of every place, from 1; 0 where none is.
        signs: For each sheet the signs that W_1, ..., W_k have on all of it; 0 where it has both.
    """

    skip: float
    margin: float
    axis: NDArray[np.float64] = field(repr=False, metadata={"json": False})
    denominators: NDArray[np.float64] = field(repr=False, metadata={"json": False})
    labels: NDArray[np.int64] = field(repr=False, metadata={"json": False})
    signs: tuple[tuple[int, ...], ...]

    @property
    def factors(self) -> int:
        """k."""
        return self.labels.ndim

    @property
    def count(self) -> int:
        """How many sheets there are."""
        return len(self.signs)

    @property
    def expected(self) -> int:
        """How many there are by Proposition 4.3 for k = 2, by the same argument for others.

        The zeros of W_k ... W_1 + ε part the space of (W_1, ..., W_k): without ε into orthants;
        with it into one part around the origin and those orthants whose product is against it.
        """
        return 1 + (1 << self.factors - 1) if self.skip else 1 << self.factors

    @property
    def heights(self) -> NDArray[np.float64]:
        """W_{k+1} on the grid; NaN where no sheet is."""
        inside = self.labels > 0
        return np.where(inside, 1 / np.where(inside, self.denominators, 1.0), np.nan)

    def name(self, sheet: int) -> str:
        """A sheet, from 1, in words: the signs that hold on all of it."""
        known = [
            f"{weight(k + 1)} {'>' if sign > 0 else '<'} 0"
            for k, sign in enumerate(self.signs[sheet - 1])
            if sign
        ]
        return ", ".join(known) or "through the origin"

    @property
    def equation(self) -> str:
        """The equation of the surface."""
        product = " ".join(weight(k) for k in range(self.factors, 0, -1))
        last = weight(self.factors + 1)
        if not self.skip:
            return f"{last} {product} = 1"
        return f"{last} ({product} {'+' if self.skip > 0 else '−'} {abs(self.skip):g}) = 1"

    def to_json(self) -> dict[str, Any]:
        """The fields but for the grid, which the call that made them makes again."""
        words = {"equation": self.equation, "factors": self.factors, "count": self.count}
        grid = {"extent": float(self.axis[-1]), "steps": len(self.axis)}
        return {**words, **grid, **super().to_json()}

    def __str__(self) -> str:
        names = "; ".join(self.name(sheet + 1) for sheet in range(self.count))
        theorem = "Zhao et al., Proposition 4.3" + (", for k factors" if self.factors != 2 else "")
        return (
            f"{self.equation}: {self.count} sheet{'s' * (self.count != 1)} on a grid of "
            f"{len(self.axis)} values a side ({names}); {theorem}, says {self.expected}"
        )


def sheets(
    skip: float = 1.0,
    factors: int = 2,
    extent: float = 3.0,
    steps: int = 61,
    margin: float | None = None,
) -> Sheets:
    """The components of the minimum of (1 - W_{k+1} (W_k ... W_1 + ε))², found on a grid.

    Zhao et al., Proposition 4.3 and Figure 1, with X = Y = 1: W_{k+1} is determined by the others,
    so that the minimum is the graph of 1 / (W_k ... W_1 + ε) over the places where that is not 0.

    Neighbours on the grid are joined where the denominator has one sign at both and is at least
    ``margin`` away from 0. It is linear in every single W, so that it does not vanish between
    them: what the grid joins is joined. What it leaves apart is apart, since 0 is on the grid: from
    every place, W by W can go to 0 or to the edge without crossing a wall.

    Args:
        skip: ε; 0 for a network without a skip connection.
        factors: k, how many factors the skip goes around.
        extent: Each W goes from -extent to extent.
        steps: Values of each W; odd, so that 0 is one of them.
        margin: As in `Sheets`; None takes a quarter, or half of ``skip`` where that is less.

    Raises:
        BadInput: A number is out of range, or the grid would be too large or miss a sheet.
    """
    if margin is None:
        margin = min(0.25, abs(skip) / 2) if skip else 0.25
    _check(skip, factors, extent, steps, margin)
    half = np.arange(1, steps // 2 + 1) / (steps // 2) * extent
    axis = np.concatenate([-half[::-1], [0.0], half])
    denominators = np.full((steps,) * factors, 1.0)
    for k in range(factors):
        denominators *= axis.reshape([-1 if j == k else 1 for j in range(factors)])
    denominators += skip
    above, high = ndimage.label(denominators >= margin)
    below, _ = ndimage.label(denominators <= -margin)
    labels = np.where(below, below + high, above).astype(np.int64)
    found = [
        _signs(axis, np.nonzero(labels == sheet + 1)) for sheet in range(int(labels.max(initial=0)))
    ]
    return Sheets(float(skip), margin, axis, denominators, labels, tuple(found))


def weight(number: int) -> str:
    """The name of a weight, as W₁."""
    return "W" + str(number).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def _signs(axis: NDArray[np.float64], places: tuple[NDArray[np.intp], ...]) -> tuple[int, ...]:
    """The signs that the coordinates of all these places have; 0 where there are both, or 0."""
    low, high = ([axis[end(k)] for k in places] for end in (np.min, np.max))
    return tuple(int(a > 0) - int(b < 0) for a, b in zip(low, high, strict=True))


def _check(skip: float, factors: int, extent: float, steps: int, margin: float) -> None:
    if factors < 1 or steps < 3 or steps % 2 == 0:
        raise BadInput(
            f"{factors} factors on {steps} values a side",
            "use at least 1 factor and an odd number of values, at least 3",
        )
    if steps**factors > _MOST:
        raise BadInput(
            f"{steps} values a side for {factors} factors are {steps**factors} places",
            f"use fewer: at most {_MOST} places",
        )
    if not 0 < margin < (abs(skip) or np.inf):
        raise BadInput(
            f"the margin is {margin:g} and the skip connection {skip:g}",
            "use a margin above 0 and, where there is a skip connection, below its size",
        )
    if not extent**factors > abs(skip) + margin:
        raise BadInput(
            f"up to {extent:g} on each axis, the grid does not reach every sheet",
            f"use an extent above {(abs(skip) + margin) ** (1 / factors):.4g}",
        )
