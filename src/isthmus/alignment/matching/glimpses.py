"""Glimpses: a space seen through others that are not known yet.

Queries read a stream of which nothing else is known; the keys' stream is. What lies between may be
any invertible matrix, but ``Qᵀ K`` does not feel it, and has the first stream for its rows. As
circuits compare values of an outer space, so glimpses give a space rows where its own are too few:
a place of it, contracted with another over all that is unknown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
from dataclasses import dataclass

import torch
from torch import Tensor

from isthmus.alignment.matching.circuits import felt_by, neutral, plain
from isthmus.alignment.matching.pairs import Row
from isthmus.alignment.matching.problem import Occurrence, Problem
from isthmus.ground import matrices


@dataclass(frozen=True)
class Glimpse:
    """A place of a space and one that cancels its ``hidden`` spaces, which ``outer`` ones index."""

    near: Occurrence
    far: Occurrence
    outer: tuple[str, ...]
    hidden: tuple[str, ...]

    @property
    def share(self) -> float:
        """How much of the near place shows: all of it, if as many numbers lie beyond as between."""
        size = {f.space: f.size for f in self.far.block.factors}
        through = math.prod(size[n] for n in self.hidden)
        return self.far.block.numel / math.prod(size[n] for n in self.outer) / through**2

    def rows(self, problem: Problem) -> Row:
        """Rows of the near place's space, in the units of weights: over their root size."""
        both = problem.target, problem.moved
        far = [self._far(of[self.far.name]) for of in both]
        if far[0].shape[-1] > 2 * far[0].shape[-2]:
            # Only inner products count: in a basis of what both span, they are the same.
            basis, _ = matrices.triangular(torch.cat(far, -2).mT)
            far = [x @ basis for x in far]
        a, b = (self._near(of[self.near.name], x) for of, x in zip(both, far, strict=True))
        size = a.square().sum(-1).mean().pow(0.25).clamp_min(1e-300)
        return self.near.character, a / size, b / size

    def _far(self, tensor: Tensor) -> Tensor:
        """``(*outer, hidden, rest)``: all hidden axes as one."""
        at = {f.space: d for d, f in enumerate(self.far.block.factors)}
        order = [at[n] for n in (*self.outer, *self.hidden)]
        x = self.far.block.read(tensor).double().movedim(order, list(range(len(order))))
        through = math.prod(x.shape[len(self.outer) : len(order)])
        return x.reshape(*x.shape[: len(self.outer)], through, -1)

    def _near(self, tensor: Tensor, far: Tensor) -> Tensor:
        """``(*over, size, features)``: the near place times the far one, summed over the hidden."""
        factors = self.near.block.factors
        letters = [chr(ord("a") + d) for d in range(len(factors))]
        at = {f.space: d for d, f in enumerate(factors)}
        front = [*self.near.over, self.near.dim]
        hidden = [at[n] for n in self.hidden]
        rest = [d for d in range(len(factors)) if d not in (*front, *hidden)]
        shared = [*(at[n] for n in self.outer), *hidden]

        def word(dims: Sequence[int]) -> str:
            return "".join(letters[d] for d in dims)

        y = far.reshape(*(factors[d].size for d in shared), -1)
        x = self.near.block.read(tensor).double()
        kept = word([*front, *rest])
        found = torch.einsum(f"{word(range(len(factors)))},{word(shared)}Z->{kept}Z", x, y)
        return found.reshape(*found.shape[: len(front)], -1)


def glimpses(problem: Problem, space: str, known: Set[str]) -> list[Glimpse]:
    """All of a space: each place with each that cancels what is unknown in it."""
    spaces = problem.symmetry.spaces
    unknown = spaces.keys() - known - {space}
    found = []
    for near in problem.places[space]:
        felt = felt_by(near.block, unknown)
        if not felt or not plain(near.block):
            continue
        outer = dict.fromkeys(o for n in felt for o in spaces[n].over if o not in felt)
        for far in problem.places[next(iter(felt))]:
            other = felt_by(far.block, {*unknown, space})
            if (
                plain(far.block)
                and felt.keys() == other.keys()
                and all(neutral(spaces[n].group, felt[n], other[n]) for n in felt)
            ):
                found.append(Glimpse(near, far, tuple(outer), tuple(felt)))
    return found


def glimpsed(found: Sequence[Glimpse]) -> dict[Occurrence, int]:
    """How many numbers of each near place they show: not more than it has."""
    shares: dict[Occurrence, float] = {}
    for one in found:
        shares[one.near] = shares.get(one.near, 0.0) + one.share
    return {near: int(near.block.numel * min(1.0, share)) for near, share in shares.items()}
