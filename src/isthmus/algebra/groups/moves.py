"""Moves: a monomial matrix as a permutation, signs and log-scales."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from isthmus.algebra.groups.base import Character


def combined(logs: Tensor, powers: Sequence[int]) -> Tensor:
    """``Σ_k powers[k] logs[..., k, :]``; most powers are 0, 1 or -1, and so few are multiplied."""
    parts = [
        logs[..., k, :] if power == 1 else power * logs[..., k, :]
        for k, power in enumerate(powers)
        if power
    ]
    return sum(parts[1:], parts[0]) if parts else torch.zeros_like(logs[..., 0, :])


class Moves(NamedTuple):
    """``(g x)[i] = sign[i] * exp(log[i]) * x[perm[i]]``.

    ``perm`` is ``(*batch, n)``, ``signs`` ``(*batch, flips, n)``, ``logs`` ``(*batch, scales, n)``.
    """

    perm: Tensor
    signs: Tensor
    logs: Tensor

    def after(self, first: Moves) -> Moves:
        """First ``first``, then this: (D₂P₂)(D₁P₁) = (D₂ · P₂D₁P₂⁻¹)(P₂P₁)."""
        index = self.perm.unsqueeze(-2)
        return Moves(
            torch.take_along_dim(first.perm, self.perm, -1),
            self.signs * torch.take_along_dim(first.signs, index, -1),
            self.logs + torch.take_along_dim(first.logs, index, -1),
        )

    def back(self) -> Moves:
        """(DP)⁻¹ = (P⁻¹D⁻¹P)P⁻¹."""
        perm = torch.argsort(self.perm, -1)
        index = perm.unsqueeze(-2)
        signs = torch.take_along_dim(self.signs, index, -1)
        return Moves(perm, signs, -torch.take_along_dim(self.logs, index, -1))

    def felt(self, character: Character) -> Tensor | None:
        """The diagonal part as a character feels it, ``(*batch, n)``; None where it is all ones."""
        felt: Tensor | None = None
        if any(character.scales):
            felt = torch.exp(combined(self.logs, character.scales))
        if any(k % 2 for k in character.flips):
            odd = [i for i, k in enumerate(character.flips) if k % 2]
            sign = self.signs[..., odd, :].prod(-2)
            felt = sign if felt is None else felt * sign
        return felt

    @property
    def joined(self) -> bool:
        """Whether a path joins it to the identity: nothing is swapped or flipped."""
        return not self._swapped and bool((self.signs > 0).all())

    @property
    def _swapped(self) -> int:
        return int((self.perm != torch.arange(self.perm.shape[-1])).sum())

    def __str__(self) -> str:
        """Count what is moved."""
        parts = []
        if self._swapped:
            parts.append(f"moves {self._swapped} of {self.perm.numel()} units")
        if not bool((self.signs > 0).all()):
            parts.append(f"flips {int((self.signs < 0).sum())} signs")
        if self.logs.numel() and bool((self.logs != 0).any()):
            low, high = self.logs.exp().aminmax()
            parts.append(f"scales by {float(low):.3g} to {float(high):.3g}")
        return ", ".join(parts) or "does nothing"
