"""spectra: singular values of weights, and the directions that two models have in common."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import final

import torch
from torch import Tensor

from isthmus.ground import BadInput, Result, is_real_valued
from isthmus.landscape.paths import require_alike


@final
@dataclass(frozen=True, eq=False)
class Spectra(Result):
    """Singular values of every weight matrix; further axes of a weight are columns.

    Attributes:
        values: By name, in falling order, float64.
    """

    values: Mapping[str, Tensor] = field(repr=False)

    @cached_property
    def effective_ranks(self) -> dict[str, float]:
        """By name, ``exp(-Σ p log p)`` with ``p = σ / Σ σ``: n for n equal values, 1 for one."""
        return {name: math.exp(_entropy(values)) for name, values in self.values.items()}

    def __str__(self) -> str:
        width = max(map(len, self.values))
        lines = [f"{'weight':<{width}}  largest  effective rank   of"]
        for name, rank in self.effective_ranks.items():
            values = self.values[name]
            lines.append(f"{name:<{width}}{float(values[0]):9.4g}{rank:16.4g}{len(values):5d}")
        return "\n".join(lines)


def spectra(params: Mapping[str, Tensor]) -> Spectra:
    """The singular values of every weight, to be followed along a training (Yunis et al. 2024).

    Rotations and permutations of hidden spaces leave them as they are.

    Args:
        params: Those with two axes at least are looked at.

    Raises:
        BadInput: There are none.
    """
    return Spectra({n: torch.linalg.svdvals(matrix) for n, matrix in _matrices(params).items()})


def shared_directions(
    a: Mapping[str, Tensor], b: Mapping[str, Tensor], top: int = 5
) -> dict[str, float]:
    """By weight, how much of the spaces of the top singular vectors two models have in common.

    ``(‖Uₐᵀ U_b‖² + ‖Vₐᵀ V_b‖²) / 2 top``: 1 for the same spaces, and about ``top / n`` for random
    ones of n dimensions. Models that a line of low loss joins are said to share them (Yunis et al.
    2024); a permutation of units hides that, so align first.

    Args:
        a: One model.
        b: Another.
        top: How many directions; all there are where there are fewer.

    Raises:
        BadInput: ``top`` is below 1, or no weight has two axes.
        UnknownName: The names differ; so ShapeMismatch and DtypeMismatch.
    """
    if top < 1:
        raise BadInput(f"top is {top}, expected at least 1", "give a number of directions")
    require_alike(a, b)
    others = _matrices(b)
    return {n: _shared(matrix, others[n], top) for n, matrix in _matrices(a).items()}


def _matrices(params: Mapping[str, Tensor]) -> dict[str, Tensor]:
    found = {
        name: x.detach().flatten(1).double()
        for name, x in params.items()
        if is_real_valued(x) and x.dim() > 1
    }
    if not found:
        raise BadInput("no weight has two axes", "give the Params of a network with matrices")
    return found


def _shared(one: Tensor, other: Tensor, top: int) -> float:
    parts = [torch.linalg.svd(matrix, full_matrices=False) for matrix in (one, other)]
    k = min(top, min(one.shape))
    left, right = ([part[side] for part in parts] for side in (0, 2))
    both = (left[0][:, :k].T @ left[1][:, :k], right[0][:k] @ right[1][:k].T)
    return math.fsum(float(x.square().sum()) for x in both) / (2 * k)


def _entropy(values: Tensor) -> float:
    shares = values / values.sum()
    return float(torch.special.entr(shares).sum())
