"""Bounds from spectra: Procrustes, von Neumann's trace inequality, and least squares for GL."""

from __future__ import annotations

from collections.abc import Container, Sequence

import torch
from torch import Tensor

from isthmus.algebra.groups import AbstractRotation
from isthmus.alignment.matching.problem import Occurrence, Problem
from isthmus.alignment.optimality.costs import rows_of
from isthmus.ground import matrices


def turning_gain(
    problem: Problem, group: AbstractRotation, places: Sequence[Occurrence]
) -> tuple[float, dict[str, float]]:
    """By how much the best rotation of one space lowers the squared distance, and its overlap.

    ``|A - uM|²`` falls by ``2 (⟨u, S⟩ - tr S)`` with ``S = A Mᵀ``. The best u is the polar factor
    (Schönemann 1966), so nothing is gained where S is symmetric and positive semidefinite: for O(n)
    the gain is twice the sum of the singular values less the trace.
    """
    overlap = torch.stack([_overlap(problem, place) for place in places]).sum(0)
    best = group.nearest(overlap)
    gain = 2 * float((best * overlap).sum() - overlap.diagonal(dim1=-2, dim2=-1).sum())
    turned = best.mT @ overlap
    symmetric, _ = matrices.symmetric((overlap + overlap.mT) / 2)
    return max(gain, 0.0), {
        "overlap": float(turned.diagonal(dim1=-2, dim2=-1).sum()),
        "asymmetry": float((overlap - overlap.mT).abs().max()),
        "lowest_eigenvalue": float(symmetric.min()),
    }


def _overlap(problem: Problem, place: Occurrence) -> Tensor:
    _, a, b = rows_of(problem, place, ())
    return a.flatten(-2) @ b.flatten(-2).mT


def spectral_bound(problem: Problem, place: Occurrence, axes: Sequence[int]) -> float:
    """``Σ (σ_k(a) - σ_k(b))²``, for all orthogonal motions of the given factors and of the others.

    Von Neumann's trace inequality: ``⟨A, U B V⟩ ≤ Σ σ_k(A) σ_k(B)``.
    """
    one, two = (
        torch.linalg.svdvals(_folded(place.block.read(side[place.name]).double(), axes))
        for side in (problem.target, problem.moved)
    )
    return float((one - two).square().sum())


def _folded(x: Tensor, axes: Sequence[int]) -> Tensor:
    x = x.movedim(list(axes), list(range(len(axes))))
    return x.reshape(x.shape[: len(axes)].numel(), -1)


def side_of(problem: Problem, place: Occurrence, free: Container[str]) -> list[int]:
    """The factors that go with one: those that index it, and those that any of them index."""
    factors, spaces = place.block.factors, problem.symmetry.spaces
    side = {place.dim}
    while True:
        names = {str(factors[d].space) for d in side}
        outer = {o for n in names if n in spaces for o in spaces[n].over}
        more = {
            d
            for d, f in enumerate(factors)
            if f.space is not None
            and (f.space in outer or (f.space in free and names & set(spaces[f.space].over)))
        }
        if more <= side:
            return sorted(side)
        side |= more


def linear_bound(problem: Problem, places: Sequence[Occurrence]) -> tuple[float, dict[str, float]]:
    """What no change of basis can remove, and the gradient at the identity.

    ``min_u |A - uM|²`` over all matrices is what of A lies outside the rows of M; plain places
    and dual ones are bounded apart, as if each had a basis of its own: sound, not sharp.
    """
    bound, slope = 0.0, torch.zeros(())
    for dual in (False, True):
        sides = [rows_of(problem, p, ())[1:] for p in places if p.character.dual == dual]
        if not sides:
            continue
        a = torch.cat([x.flatten(-2) for x, _ in sides], -1)
        b = torch.cat([y.flatten(-2) for _, y in sides], -1)
        turn, _ = matrices.triangular(b.mT)
        bound += float((a - (a @ turn) @ turn.mT).square().sum())
        away = a - b
        slope = slope + (2 * b @ away.mT if dual else -2 * away @ b.mT)
    return bound, {"gradient": float(slope.norm())}
