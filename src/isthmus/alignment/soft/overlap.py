"""The overlap ``⟨a, M·b⟩`` over relaxed permutations of all spaces at once.

Where M is a signed permutation the squared distance is ``|a|² + |b|² - 2⟨a, M·b⟩``, so the largest
overlap is the least distance. The overlap is a polynomial in the matrices: every block of a
parameter contributes a term of the degree of its relaxed factors.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cached_property

import torch
from torch import Tensor

from isthmus.algebra.groups import Moves
from isthmus.alignment.matching.problem import Occurrence, Problem
from isthmus.alignment.soft.relaxed import SignedPermutations, act, parity, relaxable

Matrices = dict[str, Tensor]
"""A relaxed value for every space (`SignedPermutations`)."""


class Overlap:
    """The overlap of a problem, relative to its current element; all matrices are float32."""

    def __init__(self, problem: Problem) -> None:
        symmetry = self.symmetry = problem.symmetry
        self.kinds = {n: SignedPermutations.of(symmetry, n) for n in relaxable(symmetry)}
        self.places = {n: problem.places[n] for n in self.kinds}
        names = dict.fromkeys(place.name for of in self.places.values() for place in of)
        self.a = {n: problem.target[n].float() for n in names}
        self.b = {n: problem.moved[n].float() for n in names}

    def between(self, share: float) -> Matrices:
        """``share`` of the current element, and for the rest the mean of all permutations."""
        out: Matrices = {}
        for name, kind in self.kinds.items():
            one = kind.matrices(kind.group.identity(kind.batch), torch.float32)
            out[name] = kind.centre(torch.float32).lerp(one, share)
        return out

    def degree_of(self, place: Occurrence) -> int:
        """How many relaxed factors stand in the block of a place."""
        return sum(f.space in self.kinds for f in place.block.factors)

    @cached_property
    def degree(self) -> int:
        """Of the polynomial."""
        return max((self.degree_of(p) for of in self.places.values() for p in of), default=0)

    @cached_property
    def _varied(self) -> list[str]:
        """The parameters of which some block holds more than one relaxed factor."""
        found = (p.name for of in self.places.values() for p in of if self.degree_of(p) > 1)
        return list(dict.fromkeys(found))

    @cached_property
    def _constant(self) -> Matrices:
        """The gradient of the blocks with one relaxed factor."""
        return {n: self._crosses(n, self.b, constant=True) for n in self.kinds}

    def _crosses(self, space: str, moved: Mapping[str, Tensor], *, constant: bool) -> Tensor:
        """``Σ a bᵀ`` over places, by parity."""
        kind = self.kinds[space]
        out = torch.zeros(kind.shape)
        for place in self.places[space]:
            if (self.degree_of(place) == 1) == constant:
                a, b = place.rows(self.a[place.name]), place.rows(moved[place.name])
                into = out[kind.index[parity(place.character)]]
                if into.dim() == 2:
                    into.addmm_(a, b.mT)
                else:
                    into.add_(a @ b.mT)
        return out

    def toward(self, a: Mapping[str, Tensor]) -> Overlap:
        """The same with another target."""
        other = copy.copy(self)
        other.__dict__.pop("_constant", None)
        other.a = {name: a[name].float() for name in self.a}
        return other

    def at_vertex(self, moves: Mapping[str, Moves]) -> tuple[float, Matrices]:
        """Value and gradient at a group element, by one product for each place."""
        moved = {n: self.symmetry.act_on(n, moves, self.b[n]) for n in self._varied}
        value = sum(float(self.a[n].flatten() @ moved[n].flatten()) for n in self._varied)
        gradient = {name: self._slope(name, moves[name], moved) for name in self.kinds}
        return value + self._lone(moves), gradient

    def slope(self, space: str, moves: Mapping[str, Moves]) -> Tensor:
        """The gradient of one space at a group element."""
        names = {place.name for place in self.places[space]} & set(self._varied)
        moved = {n: self.symmetry.act_on(n, moves, self.b[n]) for n in names}
        return self._slope(space, moves[space], moved)

    def _slope(self, space: str, own: Moves, moved: Mapping[str, Tensor]) -> Tensor:
        kind = self.kinds[space]
        crosses = self._crosses(space, moved, constant=False)
        crosses = crosses * kind.signs(own).float().unsqueeze(-2)
        # Each place was acted on by its own space too; that is taken back.
        back = torch.argsort(own.perm, -1).unsqueeze(-2).expand(kind.shape)
        return self._constant[space] + torch.take_along_dim(crosses, back, -1)

    def _lone(self, moves: Mapping[str, Moves]) -> float:
        """The overlap over the other parameters."""
        lone = set(self.a) - set(self._varied)
        moved = {name: self.symmetry.act_on(name, moves, self.b[name]) for name in lone}
        return sum(float(self.a[name].flatten() @ moved[name].flatten()) for name in lone)

    def value(self, matrices: Mapping[str, Tensor]) -> Tensor:
        """At any matrices; differentiable."""
        felt = {n: kind.felt(matrices[n]) for n, kind in self.kinds.items()}
        total = torch.zeros(())
        for name, a in self.a.items():
            total = total + (a * act(self.symmetry, name, felt, self.b[name])).sum()
        return total

    def at(self, matrices: Mapping[str, Tensor]) -> tuple[float, Matrices]:
        """Value and gradient at any matrices."""
        leaves = {n: m.detach().requires_grad_() for n, m in matrices.items()}
        with torch.enable_grad():
            value = self.value(leaves)
            found = torch.autograd.grad(value, list(leaves.values()))
        return float(value.detach()), dict(zip(leaves, found, strict=True))
