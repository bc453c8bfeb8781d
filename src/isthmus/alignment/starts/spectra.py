"""HeadSpectra: heads are matched by the singular values of their parts (Rinaldi et al. 2025)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from isthmus.algebra.symmetry import Symmetry
from isthmus.alignment.matching.problem import Occurrence, Problem
from isthmus.alignment.starts.signature import in_canonical_gauges, signature, unlike
from isthmus.ground import matrices


@dataclass(frozen=True)
class HeadSpectra:
    """Begin with heads matched by their spectra, and other units by their signatures.

    What indexes other spaces (heads, experts, groups) is matched by the singular values of each of
    its places: those of queries, keys, values and outputs of a head, one matrix each. They do not
    change with order and bases inside the head nor in the stream, so heads are matched before
    anything else is, as in TransFusion (Rinaldi et al. 2025); the descent then matches what is in
    them. In canonical gauges, where the two models are balanced, they do not change with any
    element of the group (the source takes weights as they are, and an attention that permutes).
    """

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
    """The squared distance of spectra, over all places; of signatures where nothing is indexed."""
    if not problem.inner[space]:
        return unlike(problem, space)
    size = problem.symmetry.spaces[space].size
    cost = torch.zeros(size, size, dtype=torch.float64)
    for place in problem.places[space]:
        one, two = (
            _features(problem, place, side[place.name]) for side in (problem.target, problem.moved)
        )
        cost += torch.cdist(one, two).square()
    return cost


def _features(problem: Problem, place: Occurrence, tensor: Tensor) -> Tensor:
    """``(size, values)``: the spectrum of each part, inner coordinates against all others."""
    inner = problem.inner[str(place.block.factors[place.dim].space)]
    dims = [d for d, f in enumerate(place.block.factors) if f.space in inner]
    if not dims:
        return signature(problem, place, tensor).double()
    front = [place.dim, *dims]
    x = place.block.read(tensor).double().movedim(front, list(range(len(front))))
    rows = x.shape[1 : len(front)].numel()
    return matrices.singular_values(x.reshape(x.shape[0], rows, -1))
