"""Circuits: how far the values of an outer space are apart, whatever moves inside them.

A head's keys and queries may be changed by any invertible matrix; their product ``Q_hᵀ K_h`` may
not. So heads are compared by what is left when two places are contracted over all inner axes: QK
and VO circuits, an expert's ``Σ down ⊗ up``, a channel group's Gram matrices (after Theus et al.
2025 and Tran et al. 2026, who write these down for attention). Two places are contracted where the
inner groups cancel: plain against dual for GL, anything for rotations, equal and opposite scales.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping, Set
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import TypeAlias

import torch
from torch import Tensor

from isthmus.algebra.groups import AbstractMonomial, AbstractRotation, Character, Group
from isthmus.algebra.reps import Block
from isthmus.alignment.matching.pairs import Classes, Part, gathered
from isthmus.alignment.matching.problem import Occurrence, Problem

Felt: TypeAlias = "Mapping[str, Character]"
"""How a place feels the spaces over which it is contracted."""


@dataclass(frozen=True)
class Side:
    """One place, as ``(*over, n, *inner, rest)`` of the target and of the moved."""

    character: Character
    inner: tuple[str, ...]
    target: Tensor
    moved: Tensor

    @classmethod
    def of(cls, problem: Problem, place: Occurrence, inner: Container[str]) -> Side:
        """A place, its inner axes next to that of its space."""
        at = {f.space: d for d, f in enumerate(place.block.factors) if f.space in inner}
        order = [*place.over, place.dim, *at.values()]

        def shaped(tensor: Tensor) -> Tensor:
            x = place.block.read(tensor).double().movedim(order, list(range(len(order))))
            return x.reshape(*x.shape[: len(order)], -1)

        both = shaped(problem.target[place.name]), shaped(problem.moved[place.name])
        return cls(place.character, tuple(str(n) for n in at), *both)

    def summed(self, kept: Container[str]) -> tuple[Tensor, Tensor]:
        """``(*over, n, inner, rest)``, summed over the inner spaces that are not kept.

        Over the root of how many are summed: the part of the place that no order changes.
        """
        lead = self.target.dim() - 1 - len(self.inner)
        loose = [lead + k for k, name in enumerate(self.inner) if name not in kept]
        size = math.prod(self.target.shape[d] for d in loose)
        both = [x.sum(loose) / math.sqrt(size) if loose else x for x in (self.target, self.moved)]
        one, two = (x.reshape(*x.shape[:lead], -1, x.shape[-1]) for x in both)
        return one, two


Pairing: TypeAlias = "tuple[Occurrence, Occurrence | None]"


def pairings(problem: Problem, space: str, known: Set[str] | None = None) -> list[Pairing]:
    """The places of an outer space that make circuits: alone, or two contracted.

    With ``known``, only places in which all other spaces are among these.
    """
    inner = set(problem.inner[space])
    places = [
        (place, felt_by(place.block, inner))
        for place in problem.places[space]
        if plain(place.block) and (known is None or place.lies_within(known | inner))
    ]
    found: list[Pairing] = [(p, None) for p, felt in places if _cancels(problem, felt, ())]
    return found + [
        (one, two)
        for (one, felt), (two, other) in combinations_with_replacement(places, 2)
        if _cancel(problem, felt, other)
    ]


def paired(found: Iterable[Pairing]) -> list[Occurrence]:
    """The places of pairings, each once."""
    return list({id(place): place for pair in found for place in pair if place}.values())


def circuits(problem: Problem, space: str, known: Set[str] | None = None) -> Classes | None:
    """All pairs of an outer space's values, by their circuits; None where there are none.

    A circuit feels signs and scales of the outer space as its two places do together. Squares are
    in the units of squared weights: those of a circuit over its size.
    """
    inner, group = problem.inner[space], problem.symmetry.spaces[space].group
    assert isinstance(group, AbstractMonomial)
    found = pairings(problem, space, known)
    sides = {id(place): Side.of(problem, place, inner) for place in paired(found)}
    parts = [
        _alone(sides[id(one)]) if two is None else _together(sides[id(one)], sides[id(two)])
        for one, two in found
    ]
    return gathered(parts, (group.scales, group.flips)) if parts else None


def plain(block: Block) -> bool:
    """Whether no space occurs in it twice."""
    names = [f.space for f in block.factors if f.space is not None]
    return len(set(names)) == len(names)


def felt_by(block: Block, spaces: Container[str]) -> dict[str, Character]:
    """How a block feels those of some spaces that occur in it."""
    return {f.space: f.character for f in block.factors if f.space and f.space in spaces}


def _cancel(problem: Problem, one: Felt, two: Felt) -> bool:
    """Whether no inner space can be felt in what two places make together."""
    spaces, shared = problem.symmetry.spaces, set(one) & set(two)
    if not shared or not all(_cancels(problem, felt, shared) for felt in (one, two)):
        return False
    return all(neutral(spaces[n].group, one[n], two[n]) for n in shared)


def _cancels(problem: Problem, felt: Felt, shared: Container[str]) -> bool:
    """Whether sums over all inner axes but the shared ones are felt by no element."""
    spaces = problem.symmetry.spaces
    return all(_sums(spaces[n].group, c) for n, c in felt.items() if n not in shared)


def neutral(group: Group, one: Character, two: Character) -> bool:
    """Whether no element is felt by two axes that are contracted."""
    if isinstance(group, AbstractMonomial):
        scales = [a + b for a, b in zip(one.scales, two.scales, strict=True)]
        flips = [a + b for a, b in zip(one.flips, two.flips, strict=True)]
        return not any(scales) and not any(k % 2 for k in flips)
    return isinstance(group, AbstractRotation) or one.dual != two.dual


def _sums(group: Group, character: Character) -> bool:
    """Whether the sum over an axis is felt by no element: units are only put in another order."""
    plain = isinstance(group, AbstractMonomial)
    return plain and not any(character.scales) and not any(k % 2 for k in character.flips)


def _alone(side: Side) -> Part:
    """What is left of one place, summed over all inner axes."""
    a, b = (x.flatten(-2) for x in side.summed(()))
    return side.character, a @ b.mT, b.square().sum(-1), a.square().sum(-1)


def _together(one: Side, two: Side) -> Part:
    """The circuits of two places: overlaps of all pairs and squares, over their size."""
    shared = set(one.inner) & set(two.inner)
    (a, b), (c, d) = one.summed(shared), two.summed(shared)
    cross, source, target = _overlaps(a, b, c, d), _squares(b, d), _squares(a, c)
    size = target.mean().sqrt().clamp_min(1e-300)
    both = zip(one.character.scales, two.character.scales, strict=True)
    flips = zip(one.character.flips, two.character.flips, strict=True)
    character = Character(False, tuple(map(sum, both)), tuple(sum(k) % 2 for k in flips))
    return character, cross / size, source / size, target / size


def _squares(a: Tensor, c: Tensor) -> Tensor:
    """``|A_iᵀ C_i|²`` for all i, from Gram matrices: no circuit is written down."""
    return ((a @ a.mT) * (c @ c.mT)).sum((-1, -2))


def _overlaps(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    """``⟨A_iᵀ C_i, B_jᵀ D_j⟩`` for all i, j: through the inner axes or through the outer ones."""
    count, inner, rest, other = *a.shape[-3:], c.shape[-1]
    if count * inner * (rest + other) > (2 + count) * rest * other:
        return (a.mT @ c).flatten(-2) @ (b.mT @ d).flatten(-2).mT
    left = torch.einsum("...nif,...mjf->...nmij", a, b)
    return (left * torch.einsum("...nig,...mjg->...nmij", c, d)).sum((-1, -2))
