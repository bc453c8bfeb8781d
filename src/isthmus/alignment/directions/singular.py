"""Singular directions: which of a weight's directions alignment brings together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from torch import Tensor

from isthmus.algebra.elements import Element
from isthmus.algebra.symmetry import Symmetry
from isthmus.alignment.finite import check_finite
from isthmus.ground import BadInput, Result
from isthmus.ground.matrices import singular
from isthmus.ground.params import is_statistic

Change = tuple[float, float]
"""Before and after."""


@final
@dataclass(frozen=True)
class WeightDirections(Result):
    """One weight of two models, before and after the second is moved.

    ``overlap`` of two matrices is ``Σ_ij s_i r_j ⟨u_i, w_j⟩ ⟨v_i, z_j⟩ / Σ_i s_i r_i`` for
    their singular values ``s``, ``r`` and vectors ``u``, ``v`` and ``w``, ``z``. It is 1 where
    the directions are the same, in the same order, and at most 1 otherwise.

    Attributes:
        spread: How far the singular values are apart, ``‖s - r‖ / ‖s‖``.
        overlap: Of all directions.
        leading: Of those alone whose singular values are large.
        trailing: Of the others alone.
        share: Of the sum above, what the leading directions contribute, after.
        number: How many directions lead, in either.
        distance: ``‖A - B‖``.
    """

    spread: Change
    overlap: Change
    leading: Change
    trailing: Change
    share: float
    number: tuple[int, int]
    distance: Change

    @property
    def shrinkage(self) -> float:
        """The distance after, over that before."""
        return self.distance[1] / self.distance[0] if self.distance[0] else 1.0


@final
@dataclass(frozen=True)
class SingularDirections(Result):
    """All weights of two models, by name.

    Attributes:
        weights: Of each what alignment does to it.
        threshold: Directions lead whose singular values are at least this share of the largest.
    """

    weights: Mapping[str, WeightDirections]
    threshold: float

    def __str__(self) -> str:
        width = max(map(len, self.weights), default=0)
        head = (
            f"  {'weight':<{width}}  {'all directions':>16}  {'leading':>16}  {'trailing':>16}"
            f"  {'distance':>16}"
        )
        rows = [
            f"  {name:<{width}}  {_pair(one.overlap)}  {_pair(one.leading)}"
            f"  {_pair(one.trailing)}  {_pair(one.distance)}"
            for name, one in self.weights.items()
        ]
        title = "overlap of singular directions, before → after alignment"
        return "\n".join([title, head, *rows])


def singular_directions(
    a: Mapping[str, Tensor],
    b: Mapping[str, Tensor],
    *,
    symmetry: Symmetry,
    element: Element,
    threshold: float = 0.3,
) -> SingularDirections:
    """Compare the singular vectors of the weights of ``a`` and of ``b``, as it is and moved.

    Ito et al. 2025: permutations turn singular vectors and leave singular values as they are; what
    weight matching gains is that directions of large singular values meet, while the distance
    between the models hardly shrinks. Weights are tensors of two axes or more, as matrices of
    their rows. Scales of a larger group change singular values too: ``spread`` says by how much.

    Args:
        a: The model that stays.
        b: The model that is moved.
        symmetry: Of their architecture.
        element: What moves ``b``, as `align` finds it.
        threshold: Singular values lead that are at least this share of the largest.

    Raises:
        BadInput: ``threshold`` is not in [0, 1], or no parameter is a weight.
        UnknownName, ShapeMismatch: Parameters are not those of the symmetry.
        NotFinite: A parameter holds NaN or infinity.
    """
    if not 0 <= threshold <= 1:
        raise BadInput(f"threshold is {threshold}", "give a share between 0 and 1")
    for params, which in ((a, "a"), (b, "b")):
        symmetry.check(params)
        check_finite(params, which)
    moved = symmetry.act(element, b)
    names = [n for n, t in a.items() if t.is_floating_point() and t.dim() > 1 and t.numel()]
    names = [n for n in names if not is_statistic(n)]
    if not names:
        raise BadInput("no parameter is a matrix", "give models with weights")
    found = {n: _compared(a[n], b[n], moved[n], threshold) for n in names}
    return SingularDirections(found, threshold)


def _compared(a: Tensor, b: Tensor, moved: Tensor, threshold: float) -> WeightDirections:
    one, before, after = (_Directions(x, threshold) for x in (a, b, moved))
    pairs = [one.against(before), one.against(after)]
    return WeightDirections(
        spread=(one.spread(before), one.spread(after)),
        overlap=(pairs[0][0], pairs[1][0]),
        leading=(pairs[0][1], pairs[1][1]),
        trailing=(pairs[0][2], pairs[1][2]),
        share=pairs[1][3],
        number=(one.lead, after.lead),
        distance=(one.apart(before), one.apart(after)),
    )


class _Directions:
    """A weight with its singular values and vectors, in float64."""

    def __init__(self, weight: Tensor, threshold: float) -> None:
        self.matrix = weight.detach().double().flatten(1)
        self.left, self.values, self.right = singular(self.matrix)
        self.lead = int((self.values >= threshold * self.values[0]).sum())

    def against(self, other: _Directions) -> tuple[float, float, float, float]:
        """Overlap of all, of the leading, and of the trailing directions; share of the leading."""
        products = (self.left.mT @ other.left) * (self.right @ other.right.mT)
        terms = self.values[:, None] * other.values * products
        most = self.values * other.values
        lead = min(self.lead, other.lead)
        whole, first = float(terms.sum()), float(terms[: self.lead, : other.lead].sum())
        last = float(terms[self.lead :, other.lead :].sum())
        return (
            _ratio(whole, float(most.sum())),
            _ratio(first, float(most[:lead].sum())),
            _ratio(last, float(self._tail(other))),
            _ratio(first, whole),
        )

    def _tail(self, other: _Directions) -> Tensor:
        """The largest overlap that the trailing directions can have."""
        mine, theirs = self.values[self.lead :], other.values[other.lead :]
        size = min(len(mine), len(theirs))
        return (mine[:size] * theirs[:size]).sum()

    def spread(self, other: _Directions) -> float:
        """How far the singular values are apart, relative."""
        return float((self.values - other.values).norm() / self.values.norm())

    def apart(self, other: _Directions) -> float:
        """The distance."""
        return float((self.matrix - other.matrix).norm())


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def _pair(change: Change) -> str:
    return f"{change[0]:7.4f} → {change[1]:6.4f}"
