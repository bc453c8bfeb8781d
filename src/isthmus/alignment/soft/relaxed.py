"""The action of arbitrary matrices in place of group elements, for methods that move softly.

An axis feels a group element as a matrix, which its `Character` picks. Here any matrix may stand
in its place, and gradients pass. Permutations with signs relax to one matrix for every parity with
which axes feel the signs: of ``s P`` an axis feels ``P`` where it is blind to the sign and ``s P``
where it is not, on a dual axis as on a plain one, since ``P⁻ᵀ = P``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import torch
from torch import Tensor

from isthmus.algebra.groups import AbstractMonomial, Character, Moves
from isthmus.algebra.groups.base import along
from isthmus.algebra.reps import Block
from isthmus.algebra.symmetry import Symmetry
from isthmus.ground.assignment import assignment

Felt: TypeAlias = "Callable[[Character], Tensor]"
"""The matrix, ``(*batch, n, n)``, that multiplies an axis of a character."""


def act(symmetry: Symmetry, name: str, felt: Mapping[str, Felt], tensor: Tensor) -> Tensor:
    """Matrices on every axis of one parameter, in linear coordinates (`Symmetry.act_on`).

    Differentiable in the matrices. Spaces that are missing from ``felt`` stay as they are.
    """
    rep = symmetry.reps[name]
    if not any(space in felt for space in rep.spaces):
        return tensor
    if len(rep.blocks) == 1:
        (only,) = rep.blocks
        return _on_block(symmetry, only, felt, tensor.reshape(only.shape)).reshape(tensor.shape)
    out = tensor.clone()
    for block in rep.blocks:
        block.write(out, _on_block(symmetry, block, felt, block.read(tensor)))
    return out


def _on_block(symmetry: Symmetry, block: Block, felt: Mapping[str, Felt], x: Tensor) -> Tensor:
    place = {f.space: d for d, f in enumerate(block.factors) if f.space is not None}
    # Outer spaces act before those that they index, as group elements do.
    for name in (n for n in symmetry.spaces if n in place and n in felt):
        over = [place[outer] for outer in symmetry.spaces[name].over]
        for dim, factor in enumerate(block.factors):
            if factor.space == name:
                x = along(felt[name](factor.character), x, dim, over)
    return x


@dataclass(frozen=True)
class SignedPermutations:
    """The permutations and signs of one space, and the matrices that relax them.

    A relaxed value is ``(parities, *batch, n, n)``.
    """

    group: AbstractMonomial
    parities: tuple[tuple[int, ...], ...]
    batch: tuple[int, ...] = ()

    @classmethod
    def of(cls, symmetry: Symmetry, space: str) -> SignedPermutations:
        """With the parities that occur where the space acts."""
        group = symmetry.spaces[space].group
        assert isinstance(group, AbstractMonomial)
        felt = (b.factors[d].character for _, b, d in symmetry.occurrences(space))
        return cls(group, tuple(dict.fromkeys(map(parity, felt))), symmetry.batch(space))

    @cached_property
    def index(self) -> Mapping[tuple[int, ...], int]:
        """Where each parity stands."""
        return {odd: e for e, odd in enumerate(self.parities)}

    @cached_property
    def choices(self) -> Tensor:
        """All signs that one unit can have, ``(choices, flips)``; the first are all 1."""
        return torch.tensor(list(itertools.product((1.0, -1.0), repeat=self.group.flips)))

    @cached_property
    def felt_signs(self) -> Tensor:
        """What each parity feels of each choice, ``(choices, parities)``."""
        odd = torch.tensor(self.parities).reshape(len(self.parities), self.group.flips).bool()
        return torch.where(odd, self.choices.unsqueeze(1), 1.0).prod(-1)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a relaxed value."""
        return (len(self.parities), *self.batch, self.group.size, self.group.size)

    def felt(self, matrices: Tensor) -> Felt:
        """What each character feels of a relaxed value."""
        return lambda character: matrices[self.index[parity(character)]]

    def signs(self, moves: Moves) -> Tensor:
        """The sign that each parity feels, ``(parities, *batch, n)``."""
        ones = torch.ones(moves.perm.shape, dtype=moves.signs.dtype)
        odd = ([k for k, p in enumerate(kind) if p] for kind in self.parities)
        return torch.stack([moves.signs[..., k, :].prod(-2) if k else ones for k in odd])

    def matrices(self, moves: Moves, dtype: torch.dtype) -> Tensor:
        """A group element as a relaxed value; its scales are left out."""
        rows = torch.nn.functional.one_hot(moves.perm, self.group.size).to(dtype)
        return rows * self.signs(moves).unsqueeze(-1).to(dtype)

    def centre(self, dtype: torch.dtype) -> Tensor:
        """The mean of all elements."""
        out = torch.zeros(self.shape, dtype=dtype)
        n = self.group.size
        for e, odd in enumerate(self.parities):
            if not any(odd):
                out[e] = 1 / n if self.group.swaps else torch.eye(n, dtype=dtype)
        return out

    def best(self, score: Tensor) -> Moves:
        """The element that maximises ``Σ_e ⟨score_e, s_e P⟩``: an assignment, signs chosen first.

        ``score`` is as a relaxed value; the element's scales are 1.
        """
        one = self.group.identity(self.batch)
        each = torch.einsum("ce,e...->c...", self.felt_signs.to(score), score)
        # Without signs there is one choice, and at width 512 a maximum costs a third of a product.
        worth, chosen = (
            each.max(0)
            if len(each) > 1
            else (each[0], torch.zeros_like(each[0], dtype=torch.int64))
        )
        perm = assignment(worth, maximise=True) if self.group.swaps else one.perm
        pick = torch.take_along_dim(chosen, perm.unsqueeze(-1), -1).squeeze(-1)
        signs = self.choices[pick].movedim(-1, -2).to(one.signs.dtype)
        return Moves(perm, signs, one.logs)


def parity(character: Character) -> tuple[int, ...]:
    """Which families of signs an axis feels."""
    return tuple(k % 2 for k in character.flips)


def relaxable(symmetry: Symmetry) -> tuple[str, ...]:
    """The spaces whose permutations and signs can be relaxed.

    Not those that index others (heads): what lies inside would have to follow every change.
    """
    outer = {name for space in symmetry.spaces.values() for name in space.over}
    return tuple(
        name
        for name, space in symmetry.spaces.items()
        if name not in outer
        and isinstance(space.group, AbstractMonomial)
        and (space.group.swaps or space.group.flips)
        and symmetry.occurrences(name)
    )
