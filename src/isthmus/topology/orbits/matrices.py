"""Orbits of matrix groups: which signs of determinants the stabiliser of given params realises.

``g x h⁻¹ = x`` is ``g x = x h``: linear in both. So the matrices that leave params in place are
those that can be inverted in a linear family ``1 + N``, and a random member of it has each sign of
determinants that occurs with a probability that does not vanish. Orthogonal matrices also have
``gᵀ x = x hᵀ``; that family contains the polar factors of its members, so the signs are the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import final

import torch
from torch import Tensor

from isthmus.algebra.groups import FLOAT, GeneralLinear, Orthogonal
from isthmus.ground import matrices
from isthmus.topology.orbits.clusters import Cluster, Held
from isthmus.topology.orbits.signs import SignSystem

MOST = 1500
"""So many unknowns, at most: those of one space of 38 units."""

ZERO = 1e-10
"""A singular value of the equations below this part of the largest counts as zero."""

DRAWS = 200
"""Random members of the stabiliser. One generator is missed with a probability below 1e-20."""


@final
@dataclass(frozen=True, eq=False)
class MatrixStabiliser:
    """The stabiliser of params under GL on every space, or under O on every space.

    Attributes:
        cluster: The spaces and blocks.
    """

    cluster: Cluster

    @property
    def fits(self) -> bool:
        """Whether all groups are GL or all O, and every equation is linear, and they are few."""
        kinds = {type(space.group) for space in self.cluster.spaces.values()}
        if kinds not in ({GeneralLinear}, {Orthogonal}) or self.cluster.families:
            return False
        unknowns = sum(space.size**2 for space in self.cluster.spaces.values())
        return unknowns <= MOST and all(
            self._sides(block) is not None for block in self.cluster.blocks
        )

    @property
    def _orthogonal(self) -> bool:
        return any(isinstance(s.group, Orthogonal) for s in self.cluster.spaces.values())

    def _sides(self, block: Held) -> tuple[int | None, int | None] | None:
        """The dimension that g moves and the one that h moves; None where there are more."""
        acting = [d for d, f in enumerate(block.factors) if f.space is not None]
        dual = [d for d in acting if block.factors[d].character.dual]
        if self._orthogonal and len(acting) == 2:
            return acting[0], acting[1]
        plain = [d for d in acting if d not in dual]
        if len(plain) > 1 or len(dual) > 1:
            return None
        return (plain[0] if plain else None), (dual[0] if dual else None)

    @cached_property
    def _starts(self) -> dict[str, int]:
        starts, width = {}, 0
        for name, space in self.cluster.spaces.items():
            starts[name] = width
            width += space.size**2
        return starts

    def log_realised(self, seed: int) -> float:
        """ln of the number of components of the group that the stabiliser meets."""
        spaces = list(self.cluster.spaces.items())
        family = self._family()
        rng = torch.Generator().manual_seed(seed)
        found = SignSystem()
        for draw in range(DRAWS):
            scale = 2.0 ** (draw % 9 - 2)  # the sign may show only far from 1
            mixed = scale * torch.randn(len(family), generator=rng, dtype=FLOAT) @ family
            negative = []
            for k, (name, space) in enumerate(spaces):
                start = self._starts[name]
                part = mixed[start : start + space.size**2].reshape(space.size, space.size)
                member = torch.eye(space.size, dtype=FLOAT) + part
                if float(torch.linalg.slogdet(member)[0]) < 0:
                    negative.append(k)
            found.add(negative, False)  # the rank of these is that of the group they generate
        return found.rank * math.log(2)

    def _family(self) -> Tensor:
        """A basis of all N, ``(dimension, unknowns)``."""
        width = sum(space.size**2 for space in self.cluster.spaces.values())
        rows = [torch.zeros(0, width, dtype=FLOAT)]
        for block in self.cluster.blocks:
            rows.append(self._equations(block, width, turned=False))
            if self._orthogonal:
                rows.append(self._equations(block, width, turned=True))
        equations = torch.cat(rows)
        upper = matrices.triangular(equations)[1]
        _, values, right = torch.linalg.svd(upper, full_matrices=True)
        rank = int((values > ZERO * values[:1]).sum())
        basis: Tensor = right[rank:]
        return basis

    def _equations(self, block: Held, width: int, *, turned: bool) -> Tensor:
        """``N x - x N' = 0`` as a matrix; transposed where ``turned``."""
        sides = self._sides(block)
        assert sides is not None
        out = torch.zeros(*block.x.shape, width, dtype=FLOAT)
        for dim, sign in zip(sides, (1.0, -1.0), strict=True):
            if dim is None:
                continue
            name = str(block.factors[dim].space)
            size, start = self.cluster.spaces[name].size, self._starts[name]
            moved = out.movedim(dim, 0)  # (row, rest…, unknown)
            rows = block.x.movedim(dim, 0)
            for i in range(size):
                for j in range(size):
                    # g moves entry i by N[i, j] x[j]; h from the other side, by N[j, i] x[j].
                    at = (i, j) if (sign > 0) != turned else (j, i)
                    moved[i, ..., start + at[0] * size + at[1]] += sign * rows[j]
        return out.reshape(-1, width)
