"""Spectral: units are matched by the eigenvectors of what they have in common with each other.

Umeyama (1988): where two symmetric matrices are one up to the order of rows and columns, so are the
moduli of their eigenvectors up to that of rows; for matrices that only resemble each other the
assignment on these moduli is a start. The matrix of a space is the sum of ``X Xᵀ`` over its places,
rows of ``X`` being its units: whatever rotates the other side of a place leaves it as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from isthmus.algebra.groups import Motion
from isthmus.algebra.symmetry import Params, Symmetry
from isthmus.alignment.matching.problem import Problem
from isthmus.alignment.starts.signature import in_canonical_gauges
from isthmus.ground import matrices


@dataclass(frozen=True)
class Spectral:
    """Begin with matched spectra of both models in their canonical gauges."""

    def __call__(
        self,
        symmetry: Symmetry,
        a: Mapping[str, Tensor],
        b: Mapping[str, Tensor],
        generator: torch.Generator,
    ) -> Problem:
        """``h_a⁻¹ p h_b`` with balancing elements h and permutations p, then all signs."""
        return in_canonical_gauges(symmetry, a, b, _unlike)


def _unlike(problem: Problem, space: str) -> Tensor:
    """How little the moduli of eigenvectors overlap, ``(n, n)``."""
    one, two = (_moduli(problem, space, side) for side in (problem.target, problem.moved))
    return -(one @ two.mT)


def _moduli(problem: Problem, space: str, params: Params) -> Tensor:
    """Of the eigenvectors, ``(n, n)``: one row for each unit, columns by eigenvalue."""
    group = problem.symmetry.spaces[space].group
    total = torch.zeros(group.size, group.size, dtype=torch.float64)
    for place in problem.places[space]:
        rows = place.rows(params[place.name]).double()
        # A sign that a unit has in one place and not in another is no part of the matrix.
        square = rows @ rows.mT
        total += square.abs() if Motion.FLIP in group.motions else square
    return matrices.symmetric(total)[1].abs()
