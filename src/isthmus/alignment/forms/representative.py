"""Representatives: permutations, signs and rotations settled by the parameters themselves.

Bases first: a space with rotations takes the eigenvectors of the Gram matrix of all that reads or
writes it, the largest eigenvalue first. Then order: units fall by the length of all that they have.
Then signs, from what nothing acts on inwards: the largest entry in absolute value, of those whose
other signs are settled, is positive. Every step commutes with what the others choose, so two
points that differ by permutations, signs and rotations come out equal, where no two eigenvalues
and no two lengths are equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from isthmus.algebra.elements import Element
from isthmus.algebra.groups import AbstractMonomial, AbstractRotation, MeanOrthogonal, Moves, Value
from isthmus.algebra.groups.rotations import PlaneRotation
from isthmus.algebra.spaces import Factor
from isthmus.algebra.symmetry import Symmetry
from isthmus.alignment.matching.problem import Problem
from isthmus.ground import matrices

Sign: TypeAlias = "tuple[str, int]"
"""A space and one of its families of signs (0 for a space with rotations)."""


def representative(symmetry: Symmetry, point: Mapping[str, Tensor]) -> Element:
    """The element of a compact symmetry that brings linear coordinates to the representative."""
    state = Problem(symmetry, point, point, symmetry.identity())
    for name, space in symmetry.spaces.items():
        if isinstance(space.group, AbstractRotation) and state.places[name]:
            _take(state, name, _basis(state, name, space.group))
    for name, space in symmetry.spaces.items():
        if isinstance(space.group, AbstractMonomial) and space.group.swaps and state.places[name]:
            _take(state, name, _order(state, name, space.group))
    _Signs(state).settle()
    return state.element


def _take(state: Problem, name: str, value: Value) -> None:
    state.accept({name: value}, state.propose({name: value}))


def _frame(group: AbstractRotation) -> Tensor:
    """Orthonormal coordinates of what the group turns, as rows."""
    if isinstance(group, MeanOrthogonal):
        return matrices.helmert(group.size)
    return torch.eye(group.size, dtype=torch.float64)


def _basis(state: Problem, name: str, group: AbstractRotation) -> Tensor:
    """The turn to the eigenvectors of the Gram matrix, ``(*batch, n, n)``."""
    rows = [x.double() for _, _, x in state.rows(name)]
    frame = _frame(group)
    gram = torch.stack([frame @ (x @ x.mT) @ frame.mT for x in rows]).sum(0)
    turn = matrices.symmetric(gram)[1].flip(-1).mT
    turn = torch.cat([turn[..., :-1, :], turn[..., -1:, :] * _handed(turn)], -2)
    return group.nearest(frame.mT @ turn @ frame)


def _handed(turn: Tensor) -> Tensor:
    return matrices.orientation(turn)[..., None, None]


def _order(state: Problem, name: str, group: AbstractMonomial) -> Moves:
    """The permutation by which lengths fall."""
    lengths = torch.stack([x.double().square().sum(-1) for _, _, x in state.rows(name)]).sum(0)
    one = group.identity(state.symmetry.batch(name))
    return one._replace(perm=lengths.argsort(-1, descending=True))


@dataclass
class _Signs:
    """Signs that are settled one family after another, as their neighbours come to be known."""

    state: Problem

    def settle(self) -> None:
        """Settle all that can be; those that no fixed coordinate leads to are left."""
        left = self._all()
        while True:
            ready = next(((s, at) for s in left if (at := self._evidence(s, left))), None)
            if ready is None:
                return
            (name, family), places = ready
            left.remove((name, family))
            _take(self.state, name, self._value(name, family, places))

    def _all(self) -> list[Sign]:
        out: list[Sign] = []
        for name, space in self.state.symmetry.spaces.items():
            group = space.group
            if isinstance(group, AbstractMonomial):
                out += [(name, family) for family in range(group.flips)]
            elif isinstance(group, AbstractRotation):
                out.append((name, 0))
        return out

    def _felt(self, factor: Factor) -> list[Sign]:
        """The signs that a factor of a block feels."""
        if factor.space is None:
            return []
        if isinstance(self.state.symmetry.spaces[factor.space].group, AbstractRotation):
            return [(factor.space, 0)]
        return [(factor.space, k) for k, odd in enumerate(factor.character.flips) if odd % 2]

    def _evidence(self, sign: Sign, left: list[Sign]) -> list[int]:
        """The places in which one sign is the only one that is not settled, and stands once."""
        out = []
        for k, place in enumerate(self.state.places[sign[0]]):
            felt = [s for factor in place.block.factors for s in self._felt(factor)]
            own = self._felt(place.block.factors[place.dim])
            if sign in own and [s for s in felt if s in left] == [sign]:
                out.append(k)
        return out

    def _value(self, name: str, family: int, places: list[int]) -> Value:
        """The element that makes the largest entry of each coordinate positive."""
        group = self.state.symmetry.spaces[name].group
        rows = self.state.rows(name)
        x = torch.cat([rows[k][2].double() for k in places], -1)
        if isinstance(group, AbstractMonomial):
            one = group.identity(self.state.symmetry.batch(name))
            signs = one.signs.clone()
            signs[..., family, :] = _leading(x)
            return one._replace(signs=signs)
        assert isinstance(group, AbstractRotation)
        if isinstance(group, PlaneRotation):
            both = _leading(x.flatten(-2).unsqueeze(-2))
            return both.unsqueeze(-1) * group.identity(both.shape[:-1])
        frame = _frame(group)
        return group.nearest(frame.mT @ (_leading(frame @ x).unsqueeze(-1) * frame))


def _leading(x: Tensor) -> Tensor:
    """The sign of the largest entry of each row, ``(*batch, n)``; of nothing, plus."""
    at = x.abs().argmax(-1, keepdim=True)
    return torch.where(torch.gather(x, -1, at).squeeze(-1) < 0, -1.0, 1.0).double()
