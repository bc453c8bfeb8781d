"""Volumes of simplexes from the distances of their vertices."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from isthmus.ground import distance
from isthmus.ground.params import is_statistic


def log_volume(squares: Tensor) -> Tensor:
    """The logarithm of the n-dimensional volume of a simplex, by its Cayley-Menger determinant.

    ``V² = (-1)^(n+1) / ((n!)² 2^n) det [[0, 1ᵀ], [1, D]]``; minus infinity where it is flat.

    Args:
        squares: D, the squared distances of the vertices, ``(n + 1, n + 1)``, float64.
    """
    count = len(squares)
    bordered = torch.nn.functional.pad(squares, (1, 0, 1, 0), value=1.0)
    corner = torch.zeros_like(bordered)
    corner[0, 0] = 1.0
    sign, magnitude = torch.linalg.slogdet(bordered - corner)
    dim = count - 1
    value: Tensor = (magnitude - dim * math.log(2)) / 2 - math.lgamma(dim + 1)
    flat = sign * (-1) ** count <= 0
    return torch.where(flat, torch.full_like(value, -math.inf), value)


def squared_distances(points: Sequence[Mapping[str, Tensor]]) -> Tensor:
    """‖p_i - p_j‖² of all points, float64; what a BatchNorm measured does not count."""
    bare = [{n: t for n, t in point.items() if not is_statistic(n)} for point in points]
    found = torch.zeros(len(bare), len(bare), dtype=torch.float64)
    for i, one in enumerate(bare):
        for j in range(i):
            found[i, j] = found[j, i] = distance(one, bare[j]) ** 2
    return found
