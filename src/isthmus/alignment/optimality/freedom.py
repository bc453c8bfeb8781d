"""What else may move in a block: how much is known of an overlap when other spaces are free."""

from __future__ import annotations

from collections.abc import Container
from enum import IntEnum

import torch
from torch import Tensor

from isthmus.algebra.groups import AbstractMonomial, AbstractRotation, Character, Group
from isthmus.algebra.reps import Block
from isthmus.algebra.symmetry import Symmetry


class Freedom(IntEnum):
    """Growing families of motions; each contains those before it."""

    NONE = 0
    SWAPS = 1
    SIGNS = 2
    TURNS = 3
    UNBOUNDED = 4


def freedom_of(group: Group, character: Character) -> Freedom:
    """The family that holds all motions of an axis of this character."""
    if isinstance(group, AbstractRotation):
        return Freedom.TURNS
    if not isinstance(group, AbstractMonomial) or any(character.scales):
        return Freedom.UNBOUNDED if group.motions else Freedom.NONE
    if any(k % 2 for k in character.flips):
        return Freedom.SIGNS
    return Freedom.SWAPS if group.swaps else Freedom.NONE


def moving(symmetry: Symmetry, block: Block, free: Container[str]) -> dict[int, Freedom]:
    """The factors of a block on which free spaces act, and how."""
    found = {}
    for dim, factor in enumerate(block.factors):
        if factor.space is not None and factor.space in free:
            level = freedom_of(symmetry.spaces[factor.space].group, factor.character)
            if level:
                found[dim] = level
    return found


def overlaps(a: Tensor, b: Tensor, level: Freedom, *, crossed: bool) -> tuple[Tensor, Tensor]:
    """``max ⟨a_i, h b_j⟩`` and ``max ⟨a_i, -h b_j⟩`` over h of a family, or bounds above them.

    Args:
        a: ``(*batch, n, p, q)``; h acts on p.
        b: the same.
        level: the family of h. Swaps: by the rearrangement inequality, for each of q by itself.
            Turns: by the Cauchy-Schwarz inequality.
        crossed: all pairs, ``(*batch, n, n)``; else i with i alone, ``(*batch, n, 1)``.
    """
    if level is Freedom.TURNS:
        a, b = a.norm(dim=-2, keepdim=True), b.norm(dim=-2, keepdim=True)
    elif level is Freedom.SIGNS:
        a, b = a.abs().sort(-2).values, b.abs().sort(-2).values
    elif level is Freedom.SWAPS:
        a, b = a.sort(-2).values, b.sort(-2).values
    plus = _products(a, b, crossed)
    if level is Freedom.NONE:
        return plus, -plus
    return plus, _products(a, -b.flip(-2), crossed) if level is Freedom.SWAPS else plus


def _products(a: Tensor, b: Tensor, crossed: bool) -> Tensor:
    a, b = a.flatten(-2), b.flatten(-2)
    return a @ b.mT if crossed else torch.einsum("...f,...f->...", a, b).unsqueeze(-1)
