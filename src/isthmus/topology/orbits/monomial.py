"""Orbits of permutations, signs and scales: which permutations leave given params in place.

A permutation is in the component group of the stabiliser where signs and positive scales can undo
it. In logarithms scales are linear, so that they are taken out once, by least squares: what is left
of ``log |x|`` does not feel them, and must be what it was. Signs are equations over two elements.
Only units that look alike when all order is forgotten can be permuted: few are, in most networks.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from isthmus.algebra.groups import AbstractMonomial
from isthmus.algebra.groups.base import spread
from isthmus.algebra.spaces import Factor
from isthmus.topology.orbits.clusters import Cluster, Held
from isthmus.topology.orbits.signs import SignSystem

ALIKE = 1e-7
"""Logarithms that differ by less are of equal numbers."""

NOTHING = -1e300
"""Stands for the logarithm of zero."""

Permutations = Mapping[str, Tensor]


@final
@dataclass(frozen=True)
class Stabilised:
    """How much of the component group a stabiliser realises.

    Attributes:
        log_least: ln of a lower bound of the number of components of the group it meets.
        log_most: That of an upper bound.
        tried: How many permutations were tried.
    """

    log_least: float
    log_most: float
    tried: int


@final
@dataclass(frozen=True, eq=False)
class MonomialStabiliser:
    """The stabiliser of params under permutations, signs and positive scales.

    Args:
        cluster: Of which all groups are monomial, and no space is indexed by another.
    """

    cluster: Cluster

    def realised(self, limit: int) -> Stabilised:
        """How many classes of the component group leave the params in place.

        All permutations of units that look alike are tried, if they are no more than the limit;
        else only swaps of two, which generate some of them.
        """
        classes = {name: self._classes(name) for name in self.cluster.spaces}
        most = sum(math.lgamma(len(c) + 1) for found in classes.values() for c in found)
        free = self._sign_freedom * math.log(2)
        if most <= math.log(limit) + 1e-9:
            found = list(self._candidates(classes))
            log = free + math.log(sum(map(self._stays, found)))
            return Stabilised(log, log, len(found))
        twins, tried = 0.0, 0
        for name, found_classes in classes.items():
            for members in found_classes:
                tried += len(members) - 1
                twins += math.lgamma(1 + self._twins(name, members))
        return Stabilised(free + twins, free + most, tried)

    def _twins(self, name: str, members: Sequence[int]) -> int:
        """How many of the units may be swapped with the first, nothing else moving; with itself."""
        size, count = self.cluster.spaces[name].size, 1
        for other in members[1:]:
            swap = torch.arange(size)
            swap[[members[0], other]] = swap[[other, members[0]]]
            count += self._stays({name: swap})
        return count

    def _candidates(self, classes: Mapping[str, list[list[int]]]) -> Iterator[Permutations]:
        """All permutations within the classes."""
        orders = [
            [itertools.permutations(members) for members in found] for found in classes.values()
        ]
        for chosen in itertools.product(*(itertools.product(*each) for each in orders)):
            yield {
                name: torch.tensor([k for _, k in sorted(_places(classes[name], images))])
                for name, images in zip(classes, chosen, strict=True)
            }

    def _classes(self, name: str) -> list[list[int]]:
        """Units that look alike: whose entries are the same, in each place, but for their order."""
        size = self.cluster.spaces[name].size
        group = self.cluster.spaces[name].group
        assert isinstance(group, AbstractMonomial)
        if not group.swaps:
            return [[k] for k in range(size)]
        looks = [
            torch.where(slices == NOTHING, -1e4, slices)  # below all logarithms, and no overflow
            for block, rest in zip(self.cluster.blocks, self._rests, strict=True)
            for dim, factor in enumerate(block.factors)
            if factor.space == name
            for slices in [rest.movedim(dim, 0).reshape(size, -1).sort(1).values]
        ]
        look = torch.cat(looks, 1)
        return _groups(torch.cdist(look, look, p=math.inf) <= ALIKE)

    @cached_property
    def _rests(self) -> list[Tensor]:
        """``log |x|`` of every block less what scales can make of it."""
        logs = [x.abs().log() for _, x in self.cluster.blocks]
        there = [x != 0 for _, x in self.cluster.blocks]
        design = self._design(there)
        wanted = torch.cat([log[on] for log, on in zip(logs, there, strict=True)])
        if design.shape[1]:
            wanted = wanted - torch.from_numpy(_projected(design, wanted.numpy()))
        parts = torch.split(wanted, [int(on.sum()) for on in there])
        rests = [torch.full_like(log, NOTHING) for log in logs]
        for rest, on, part in zip(rests, there, parts, strict=True):
            rest[on] = part
        return rests

    def _design(self, there: Sequence[Tensor]) -> scipy.sparse.csr_array:
        """How each logarithm grows with each scale."""
        rows, columns, values, height = [], [], [], 0
        starts, width = self._starts("scales")
        for block, on in zip(self.cluster.blocks, there, strict=True):
            places = on.nonzero(as_tuple=True)
            for dim, factor in enumerate(block.factors):
                for k, power in enumerate(factor.character.scales if factor.space else ()):
                    if power:
                        start = starts[str(factor.space)] + k * factor.size
                        rows.append(height + np.arange(len(places[0])))
                        columns.append(start + places[dim].numpy())
                        values.append(np.full(len(places[0]), float(power)))
            height += int(on.sum())
        empty = np.zeros(0, dtype=int)
        at = (np.concatenate([empty, *rows]), np.concatenate([empty, *columns]))
        return scipy.sparse.csr_array((np.concatenate([empty, *values]), at), (height, width))

    def _starts(self, what: str) -> tuple[dict[str, int], int]:
        """Where the scales, or the flips, of each space begin among all, and how many there are."""
        starts, width = {}, 0
        for name, space in self.cluster.spaces.items():
            starts[name] = width
            width += int(getattr(space.group, what)) * space.size
        return starts, width

    @cached_property
    def _sign_freedom(self) -> int:
        """How many independent sign changes alone leave the params in place."""
        width = self._starts("flips")[1]
        return width - self._signs({}).rank if width else 0

    def _signs(self, permutations: Permutations) -> SignSystem:
        """The equations for signs that undo permutations. Raises _Contradiction."""
        system = SignSystem()
        for terms, odd in self._equations(permutations):
            if not system.add(terms, odd):
                raise _Contradiction
        return system

    def _equations(self, permutations: Permutations) -> Iterator[tuple[list[int], bool]]:
        starts, width = self._starts("flips")
        for block in self.cluster.blocks:
            x = block.x
            key = (_moved(block, x, permutations) * x < 0).long()  # equations as numbers
            felt = [
                (dim, starts[str(factor.space)] + k * factor.size + torch.arange(factor.size))
                for dim, factor in enumerate(block.factors)
                for k, power in enumerate(_flips(factor))
                if power % 2
            ]
            for dim, terms in felt:
                key = key * width + spread(terms, [dim], x.dim())
            for number in np.unique(key[x != 0].numpy()).tolist():
                row = [number // width**k % width for k in range(len(felt))]
                yield row, bool(number // width ** len(felt))

    def _stays(self, permutations: Permutations) -> bool:
        """Whether signs and scales can undo permutations."""
        for block, rest in zip(self.cluster.blocks, self._rests, strict=True):
            if not bool(((_moved(block, rest, permutations) - rest).abs() <= ALIKE).all()):
                return False
        try:
            self._signs(permutations)
        except _Contradiction:
            return False
        return True


class _Contradiction(Exception):
    """No signs undo a permutation."""


def _flips(factor: Factor) -> tuple[int, ...]:
    return factor.character.flips if factor.space is not None else ()


def _moved(block: Held, x: Tensor, permutations: Permutations) -> Tensor:
    for dim, factor in enumerate(block.factors):
        permutation = permutations.get(str(factor.space))
        if factor.space is not None and permutation is not None:
            x = x.index_select(dim, permutation)
    return x


def _places(
    classes: Sequence[Sequence[int]], images: Sequence[Sequence[int]]
) -> Iterator[tuple[int, int]]:
    for members, moved in zip(classes, images, strict=True):
        yield from zip(members, moved, strict=True)


def _groups(alike: Tensor) -> list[list[int]]:
    """Indices that are alike, each group by its first."""
    groups: dict[int, list[int]] = {}
    for k, row in enumerate(alike):
        groups.setdefault(int(row.nonzero()[0, 0]), []).append(k)
    return list(groups.values())


def _projected(design: scipy.sparse.csr_array, wanted: np.ndarray) -> np.ndarray:
    """What of a vector lies in the span of the columns, of which there are few."""
    square = (design.T @ design).toarray()
    values, vectors = np.linalg.eigh(square)
    kept = values > 1e-12 * values.max(initial=0.0)
    back = vectors[:, kept] / values[kept] @ vectors[:, kept].T
    found = np.zeros(design.shape[1])
    for _ in range(3):  # refined: squares lose half of the digits
        found += back @ (design.T @ (wanted - design @ found))
    out: np.ndarray = design @ found
    return out
