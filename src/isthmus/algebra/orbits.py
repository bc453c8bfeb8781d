"""Orbits: a symmetry together with a point it acts on."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from isthmus.algebra.elements import Element
from isthmus.algebra.groups import FLOAT
from isthmus.algebra.symmetry import Params, Symmetry

CHUNK = 512
"""So many directions at once."""


@dataclass(frozen=True)
class Orbit:
    """All parameters that the group reaches from ``params``."""

    symmetry: Symmetry
    params: Mapping[str, Tensor]

    def sample(self, seed: int | torch.Generator = 0, scale: float = 0.3) -> Params:
        """A random point of the orbit."""
        return self.symmetry.act(self.symmetry.sample(seed, scale), self.params)

    def tangent(self) -> Tensor:
        """The directions in which the group moves the parameters.

        Returns:
            ``(lie_dim, parameters)`` in float64, parameters flattened in state-dict order: row k
            is the derivative of ``act(exp(t e_k), params)`` at t = 0.
        """
        wide = {n: t.to(FLOAT) for n, t in self.params.items() if t.is_floating_point()}
        linear = self.symmetry.linearised(wide)
        rows = [self._directions(name, wide, linear) for name in self.symmetry.spaces]
        width = sum(t.numel() for t in wide.values())
        return torch.cat([torch.zeros(0, width, dtype=FLOAT), *rows])

    def _directions(
        self, name: str, wide: Mapping[str, Tensor], linear: Mapping[str, Tensor]
    ) -> Tensor:
        """Those of one space, all at once: derivatives forwards, batched."""
        symmetry = self.symmetry
        space, batch = symmetry.spaces[name], symmetry.batch(name)
        shape = (*batch, space.group.lie_dim)
        count = math.prod(shape)
        if not count:
            return torch.zeros(0, sum(t.numel() for t in wide.values()), dtype=FLOAT)

        def moved(tangent: Tensor) -> Tensor:
            values = {name: space.group.exp(tangent.reshape(shape))}
            moved = {n: symmetry.act_on(n, values, t) for n, t in linear.items()}
            back = symmetry.linearised(moved, back=True)
            return torch.cat([back[n].flatten() for n in wide])

        zero = torch.zeros(count, dtype=FLOAT)  # outside of the batch: charts look at values

        def along(direction: Tensor) -> Tensor:
            derivative: Tensor = torch.func.jvp(moved, (zero,), (direction,))[1]
            return derivative

        with warnings.catch_warnings():  # torch's own, when it first loads forward mode
            warnings.filterwarnings("ignore", ".*torch.jit.script", DeprecationWarning)
            rows: Tensor = torch.func.vmap(along, chunk_size=CHUNK)(torch.eye(count, dtype=FLOAT))
        return rows

    @property
    def dim(self) -> int:
        """The dimension of the orbit: the rank of its tangent."""
        tangent = self.tangent()
        return int(torch.linalg.matrix_rank(tangent)) if len(tangent) else 0

    @property
    def stabiliser_dim(self) -> int:
        """The dimension of the subgroup that leaves ``params`` in place."""
        return self.symmetry.lie_dim - self.dim

    @property
    def log_components_bound(self) -> float:
        """ln of an upper bound of the orbit's number of components (Zhao et al. 2025, Cor. 3.6)."""
        return self.symmetry.log_components

    def moves(self, g: Element) -> Params:
        """The point that ``g`` reaches."""
        return self.symmetry.act(g, self.params)
