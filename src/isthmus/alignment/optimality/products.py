"""Products: what no change of basis alters bounds from below how near the factors can come.

``Q → gQ``, ``K → g⁻ᵀK`` keeps ``P = KᵀQ``. With those of the other model primed,

    P - P' = Kᵀ(Q - Q') + (K - K')ᵀQ - (K - K')ᵀ(Q - Q').

Let ``D = |Q - Q'|² + |K - K'|²``. As ``Σ_{i≤k} σ_i(XY) ≤ Σ_{i≤k} σ_i(X) σ_i(Y)`` (Horn 1950), the
k largest singular values of ``P - P'`` sum to at most ``s_k √D + D/2``, where ``s_k²`` sums the k
largest ``σ_i(Q)²`` and the k largest ``σ_i(K)²``. So for whatever g, and the k that says most,

    D ≥ (√(s_k² + 2 Σ_{i≤k} σ_i(P - P')) - s_k)².

Where the axes that Q and K do not share may turn as well, ``|σ_i(P) - σ_i(P')|`` in falling order
take the place of ``σ_i(P - P')`` (Mirsky 1960). Where they rest, no g reaches what of Q and K lies
outside the rows of Q' and K' (`linear_bound`); the products are then of what lies inside.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

import torch
from torch import Tensor

from isthmus.algebra.groups import AbstractMonomial, GeneralLinear, Group
from isthmus.alignment.matching.problem import Occurrence, Problem
from isthmus.alignment.optimality.costs import rows_of
from isthmus.alignment.optimality.freedom import moving
from isthmus.ground import matrices


def has_products(group: Group) -> bool:
    """Whether a group is GL, or a scale for each unit in its place: GL(1) for each."""
    if isinstance(group, AbstractMonomial):
        return group.scales == 1 and not group.swaps
    return isinstance(group, GeneralLinear)


def product_costs(
    problem: Problem, places: Sequence[Occurrence], free: Container[str]
) -> Tensor | None:
    """What the pairs of copies of a space cost at least; None where there is no product.

    Args:
        problem: the state; pairs are copies of ``a`` and of the moved ``b``.
        places: where a space whose group `has_products` acts, each block once; all else there is
            of bounded freedom.
        free: the spaces that may move.

    Returns:
        ``(copies, copies)`` where what indexes the space may move, else ``(copies,)``.
    """
    levels = [moving(problem.symmetry, place.block, free) for place in places]
    paired = any(set(p.over) & set(level) for p, level in zip(places, levels, strict=True))
    turned = any(set(level) - {p.dim} for p, level in zip(places, levels, strict=True))
    sides = [[_rows(problem, p, free) for p in places if _power(p) == power] for power in (1, -1)]
    if not all(sides):
        return None
    (q, q_other), (k, k_other) = (
        (torch.cat([one for one, _ in side], -1), torch.cat([other for _, other in side], -1))
        for side in sides
    )
    if turned:
        one, two = _spectrum(k, q), _spectrum(k_other, q_other)
        gaps = (one.unsqueeze(1) - two).abs() if paired else (one - two).abs()
        gaps = gaps.sort(-1, descending=True).values
    else:
        q, k = _inside(q, q_other), _inside(k, k_other)
        gaps = _spectrum(torch.cat([k, -k_other], -2), torch.cat([q, q_other], -2))
    sizes = tuple(matrices.singular_values(x).square() for x in (q, k))
    s = _cumulative(sizes[0], gaps.shape[-1]) + _cumulative(sizes[1], gaps.shape[-1])
    s = s.unsqueeze(1) if paired else s
    far = gaps.cumsum(-1)
    # As √(s² + 2δ) - s, without cancellation.
    near = 2 * far / ((s + 2 * far).sqrt() + s.sqrt()).clamp_min(1e-300)
    return near.square().amax(-1).sum(-1)


def _power(place: Occurrence) -> int:
    """1 where a place feels the change of basis, -1 where it feels its inverse."""
    character = place.character
    return character.scales[0] if character.scales else -1 if character.dual else 1


def _rows(problem: Problem, place: Occurrence, free: Container[str]) -> tuple[Tensor, Tensor]:
    """Both models' ``(copies, bases, n, columns)``: one basis of all, or one for each unit."""
    lead = len(place.over)
    units = isinstance(_group(problem, place), AbstractMonomial)
    _, one, two = rows_of(problem, place, free)

    def rows(x: Tensor) -> Tensor:
        x = x.flatten(-2)
        split = (x.shape[lead], 1) if units else (1, x.shape[lead])
        return x.reshape(x.shape[:lead].numel(), *split, -1)

    return rows(one), rows(two)


def _group(problem: Problem, place: Occurrence) -> Group:
    return problem.symmetry.spaces[str(place.block.factors[place.dim].space)].group


def _inside(x: Tensor, other: Tensor) -> Tensor:
    """The part of rows that lies in the span of others."""
    turn, _ = matrices.triangular(other.mT)
    return (x @ turn) @ turn.mT


def _spectrum(k: Tensor, q: Tensor) -> Tensor:
    """The singular values of ``kᵀ q``, as many as there are rows, from their triangular parts."""
    (_, left), (_, right) = (matrices.triangular(x.mT) for x in (k, q))
    found = matrices.singular_values(left @ right.mT)
    return torch.nn.functional.pad(found, (0, k.shape[-2] - found.shape[-1]))


def _cumulative(squares: Tensor, count: int) -> Tensor:
    """Sums of the first squares, as many as are asked for."""
    return torch.nn.functional.pad(squares, (0, count - squares.shape[-1])).cumsum(-1)
