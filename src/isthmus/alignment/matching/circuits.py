"""Circuits: how far the values of an outer space are apart, whatever moves inside them.

A head's keys and queries may be changed by any invertible matrix; their product ``Q_hᵀ K_h`` may
not. So heads are compared by what is left when two places are contracted over all inner axes: QK
and VO circuits, an expert's ``Σ down ⊗ up``, a channel group's Gram matrices (after Theus et al.
2025 and Tran et al. 2026, who write these down for attention). Two places are contracted where the
inner groups cancel: plain against dual for GL, anything for rotations, equal and opposite scales.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Set
from dataclasses import dataclass
from itertools import combinations_with_replacement

import torch
from torch import Tensor

from isthmus.algebra.groups import AbstractMonomial, AbstractRotation, Character, Group
from isthmus.alignment.matching.problem import Occurrence, Problem


@dataclass(frozen=True)
class Side:
    """One place, as ``(n, *inner, rest)`` of the target and of the moved."""

    inner: Mapping[str, Character]
    target: Tensor
    moved: Tensor

    def summed(self, kept: Container[str]) -> tuple[Tensor, Tensor]:
        """``(n, inner, rest)``, summed over the inner spaces that are not kept."""
        loose = [1 + k for k, name in enumerate(self.inner) if name not in kept]
        both = [x.sum(loose) if loose else x for x in (self.target, self.moved)]
        one, two = (x.reshape(len(x), -1, x.shape[-1]) for x in both)
        return one, two


def pair_costs(problem: Problem, space: str, known: Set[str] | None = None) -> Tensor | None:
    """``(n, n)``: squared distances of circuits, rows of the target's values; None without any.

    They are in the units of squared weights: a circuit's squared distance over its size. With
    ``known``, only places in which all other spaces are among these.
    """
    size, inner = problem.symmetry.spaces[space].size, problem.inner[space]
    total, found = torch.zeros(size, size, dtype=torch.float64), False
    sides = []
    for place in problem.places[space]:
        if known is not None and not place.lies_within(known | set(inner)):
            continue
        side = _side(problem, place, inner)
        if side is None:
            continue
        if side.inner:
            sides.append(side)
        else:
            rows = (side.target.reshape(size, -1), side.moved.reshape(size, -1))
            total, found = total + torch.cdist(*rows).square(), True
    for one, two in combinations_with_replacement(sides, 2):
        if _cancel(problem, one, two):
            kept = set(one.inner) & set(two.inner)
            total, found = total + _distance(one.summed(kept), two.summed(kept)), True
    return total if found else None


def _side(problem: Problem, place: Occurrence, inner: list[str]) -> Side | None:
    """A place, its inner axes next to the outer one; None where a space occurs in it twice."""
    factors = place.block.factors
    names = [f.space for f in factors if f.space is not None]
    if len(set(names)) < len(names):
        return None
    at = {f.space: d for d, f in enumerate(factors) if f.space in inner}
    order = [place.dim, *at.values()]

    def shaped(tensor: Tensor) -> Tensor:
        x = place.block.read(tensor).double().movedim(order, list(range(len(order))))
        return x.reshape(*x.shape[: len(order)], -1)

    characters = {f.space: f.character for f in factors if f.space in inner}
    one, two = shaped(problem.target[place.name]), shaped(problem.moved[place.name])
    return Side({n: characters[n] for n in at if n is not None}, one, two)


def _cancel(problem: Problem, one: Side, two: Side) -> bool:
    """Whether no inner space can be felt in what two places make together."""
    spaces, shared = problem.symmetry.spaces, set(one.inner) & set(two.inner)
    if not shared:
        return False
    for side in (one, two):
        for name, character in side.inner.items():
            if name not in shared and not _sums(spaces[name].group, character):
                return False
    return all(_neutral(spaces[n].group, one.inner[n], two.inner[n]) for n in shared)


def _neutral(group: Group, one: Character, two: Character) -> bool:
    if isinstance(group, AbstractMonomial):
        scales = [a + b for a, b in zip(one.scales, two.scales, strict=True)]
        flips = [a + b for a, b in zip(one.flips, two.flips, strict=True)]
        return not any(scales) and not any(k % 2 for k in flips)
    return isinstance(group, AbstractRotation) or one.dual != two.dual


def _sums(group: Group, character: Character) -> bool:
    """Whether the sum over an axis is felt by no element: units are only put in another order."""
    plain = isinstance(group, AbstractMonomial)
    return plain and not any(character.scales) and not any(k % 2 for k in character.flips)


def _distance(one: tuple[Tensor, Tensor], two: tuple[Tensor, Tensor]) -> Tensor:
    """Between the circuits of all pairs, over their size."""
    (a, b), (c, d) = one, two
    square_a, square_b = _overlaps(a, a, c, c).diagonal(), _overlaps(b, b, d, d).diagonal()
    apart = square_a.unsqueeze(1) + square_b - 2 * _overlaps(a, b, c, d)
    size = square_a.mean().sqrt()
    return apart.clamp_min(0.0) / size if float(size) > 0 else torch.zeros_like(apart)


def _overlaps(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    """``⟨A_iᵀ C_i, B_jᵀ D_j⟩`` for all i, j: through the inner axes or through the outer ones."""
    count, inner, rest, other = len(a), a.shape[1], a.shape[2], c.shape[2]
    if count * inner * (rest + other) > (2 + count) * rest * other:
        one = torch.einsum("nif,nig->nfg", a, c).flatten(1)
        return one @ torch.einsum("nif,nig->nfg", b, d).flatten(1).mT
    left = torch.einsum("nif,mjf->nmij", a, b)
    return (left * torch.einsum("nig,mjg->nmij", c, d)).sum((-1, -2))
