"""FrankWolfe: relaxed permutations of all spaces at once (after Crisostomi et al. 2024, C2M3).

Coordinate descent moves one space at a time and stops where no single space can improve. Here all
move together inside the convex hull of the permutations (with their signs), where the overlap with
the target is a polynomial. A step goes towards the vertex that the gradient favours, which is one
assignment for each space, as far as the polynomial along that segment rises. The overlap is neither
convex nor concave: what is found depends on the start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from isthmus.algebra.groups import Moves
from isthmus.algebra.symmetry import Symmetry
from isthmus.alignment.matcher import Match
from isthmus.alignment.soft.climbing import refined
from isthmus.alignment.soft.overlap import Matrices, Overlap
from isthmus.alignment.weights import WeightMatching


@dataclass(frozen=True)
class FrankWolfe:
    """Maximise the overlap over relaxed permutations of all spaces together, then descend.

    It starts from the answer of `WeightMatching`, moved most of the way to the mean of all
    permutations, and is never worse than that answer. Two models that share their beginning have
    it at the identity: give ``matching=WeightMatching(starts=(Identity(),))``.

    Args:
        matching: gives the answer to start from, and the bounds of the descents.
        shares: for each round, the share of the best answer so far in the start; the rest is the
            mean of all permutations. 0 starts from the mean, 1 from the answer.
        iterations: the most steps of a round; each costs one matrix product for each place of a
            relaxed space, and one assignment for each space.
        tolerance: a step that can gain less than this fraction of the overlap is not made.
    """

    matching: WeightMatching = field(default_factory=WeightMatching)
    shares: tuple[float, ...] = (0.05, 0.1, 0.02)
    iterations: int = 60
    tolerance: float = 1e-4

    def __call__(
        self,
        a: Mapping[str, Tensor],
        b: Mapping[str, Tensor],
        symmetry: Symmetry,
        generator: torch.Generator,
    ) -> Match:
        """Search for the element; the objective never rises."""

        def climb(overlap: Overlap, number: int) -> Matrices:
            start = overlap.between(self.shares[number])
            return ascend(overlap, start, self.iterations, self.tolerance)

        return refined((a, b, symmetry, generator), self.matching, len(self.shares), climb)


def ascend(overlap: Overlap, start: Matrices, iterations: int, tolerance: float) -> Matrices:
    """Frank–Wolfe steps up the overlap; each is as long as is best on its segment."""
    matrices = dict(start)
    value, gradient = overlap.at(matrices)
    for _ in range(iterations):
        moves = {name: kind.best(gradient[name]) for name, kind in overlap.kinds.items()}
        gap = sum(
            _gap(overlap, name, gradient[name], matrices[name], moves[name]) for name in moves
        )
        if gap <= tolerance * abs(value):
            break
        there, slope = overlap.at_vertex(moves)
        vertex = {n: k.matrices(moves[n], torch.float32) for n, k in overlap.kinds.items()}
        t, value = _line_search(overlap, matrices, vertex, (value, gap, there))
        matrices = {name: m.lerp(vertex[name], t) for name, m in matrices.items()}
        if overlap.degree <= 2:
            # Then the gradient is affine, and no dense product is needed.
            gradient = {name: g.lerp(slope[name], t) for name, g in gradient.items()}
        else:
            value, gradient = overlap.at(matrices)
    return matrices


def _gap(overlap: Overlap, name: str, gradient: Tensor, here: Tensor, moves: Moves) -> float:
    """``⟨G, V - M⟩``: the slope towards the vertex V."""
    at = moves.perm.unsqueeze(-1).expand(*gradient.shape[:-1], 1)
    picked = torch.take_along_dim(gradient, at, -1).squeeze(-1)
    there = (picked * overlap.kinds[name].signs(moves)).sum()
    return float(there - (gradient * here).sum())


def _line_search(
    overlap: Overlap, here: Matrices, there: Matrices, known: tuple[float, float, float]
) -> tuple[float, float]:
    """The best step in [0, 1] and the overlap there.

    Value and slope here and the value there fix a polynomial of degree two; each further degree
    needs one more value between.
    """
    value, slope, last = known
    degree = max(overlap.degree, 2)
    ts, values = [1.0], [last]
    for t in (k / (degree - 1) for k in range(1, degree - 1)):
        between = {name: m.lerp(there[name], t) for name, m in here.items()}
        ts.append(t)
        values.append(float(overlap.value(between)))
    powers = np.array([[t**k for k in range(2, degree + 1)] for t in ts])
    rest = np.array(values) - value - slope * np.array(ts)
    line = np.polynomial.Polynomial([value, slope, *np.linalg.solve(powers, rest)])
    roots: list[complex] = line.deriv().roots().tolist()
    inside = [r.real for r in roots if abs(r.imag) < 1e-12 and 0 < r.real < 1]
    best = max([1.0, *inside], key=line)
    return best, float(line(best))
