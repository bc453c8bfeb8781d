"""The distance of two models in the gauge of their symmetry."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from isthmus.algebra.symmetry import Symmetry
from isthmus.ground.params import distance


def gauged_distance(symmetry: Symmetry, a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> float:
    """Euclidean distance in the gauge: gains folded into what they scale, shifts taken out."""
    return gauged_distances(symmetry, a, b)[0]


def gauged_distances(
    symmetry: Symmetry, a: Mapping[str, Tensor], *others: Mapping[str, Tensor]
) -> list[float]:
    """Those from ``a`` to each of the others, one after the other."""
    if not symmetry.chart.steps and not any(r.absorbed for r in symmetry.reps.values()):
        return [distance(dict(a), dict(b)) for b in others]
    here = symmetry.coordinates(a)
    return [distance(here, symmetry.coordinates(b)) for b in others]
