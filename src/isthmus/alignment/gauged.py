"""The distance of two models in the gauge of their symmetry."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from isthmus.algebra.symmetry import Params, Symmetry
from isthmus.ground.params import distance, is_statistic


def gauged_distance(symmetry: Symmetry, a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> float:
    """Euclidean distance in the gauge: gains folded into what they scale, shifts taken out.

    What a BatchNorm measured does not count.
    """
    return gauged_distances(symmetry, a, b)[0]


def gauged_distances(
    symmetry: Symmetry, a: Mapping[str, Tensor], *others: Mapping[str, Tensor]
) -> list[float]:
    """Those from ``a`` to each of the others, one after the other."""
    plain = not symmetry.chart.steps and not any(r.absorbed for r in symmetry.reps.values())

    def counted(params: Mapping[str, Tensor]) -> Params:
        found = params if plain else symmetry.coordinates(params)
        return {name: tensor for name, tensor in found.items() if not is_statistic(name)}

    here = counted(a)
    return [distance(here, counted(b)) for b in others]
