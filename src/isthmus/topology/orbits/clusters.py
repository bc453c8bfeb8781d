"""Clusters: spaces that act together; an orbit is the product of those of its clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, final

import torch
from torch import Tensor

from isthmus.algebra import Factor, Symmetry
from isthmus.algebra.groups import FLOAT, AbstractRotation
from isthmus.algebra.groups.matrix import AbstractMatrix
from isthmus.algebra.spaces import Space
from isthmus.ground import matrices

FULL = 1e-9
"""A matrix whose smallest singular value is above this part of the largest has full rank."""


class Held(NamedTuple):
    """What a block of a parameter holds, ``(*sizes of the factors)``, in float64."""

    factors: tuple[Factor, ...]
    x: Tensor


@final
@dataclass(frozen=True, eq=False)
class Cluster:
    """Spaces of which each acts on a block with another, and the blocks on which they act.

    Attributes:
        spaces: By name, outer spaces first.
        blocks: What they act on; factors of all other spaces count as fixed.
    """

    spaces: Mapping[str, Space]
    blocks: tuple[Held, ...]

    @property
    def families(self) -> bool:
        """Whether a space is indexed by another."""
        return any(space.over for space in self.spaces.values())


def clusters(symmetry: Symmetry, params: Mapping[str, Tensor]) -> tuple[list[str], list[Cluster]]:
    """What acts on given params, in the coordinates on which the group acts linearly.

    Returns:
        The rigid spaces, of which no element of the stabiliser moves anything: matrices that act
        alone on something of full rank. And all other spaces in clusters.
    """
    wide = {n: x.to(FLOAT) if x.is_floating_point() else x for n, x in params.items()}
    coordinates = symmetry.coordinates(wide)
    blocks = [
        Held(block.factors, block.read(coordinates[name]))
        for name, rep in symmetry.reps.items()
        for block in rep.blocks
    ]
    rigid: list[str] = []
    while found := [n for n in symmetry.spaces if n not in rigid and _rigid(symmetry, n, blocks)]:
        rigid += found
        blocks = [Held(tuple(_without(f, rigid) for f in held.factors), held.x) for held in blocks]
    return rigid, _together(symmetry, [n for n in symmetry.spaces if n not in rigid], blocks)


def _rigid(symmetry: Symmetry, name: str, blocks: Sequence[Held]) -> bool:
    """Whether only the identity leaves in place what a space acts on alone."""
    group = symmetry.spaces[name].group
    if not isinstance(group, AbstractMatrix) or symmetry.spaces[name].over:
        return False
    sides: dict[bool, list[Tensor]] = {}
    for held in blocks:
        acting = [d for d, factor in enumerate(held.factors) if factor.space is not None]
        if [held.factors[d].space for d in acting] == [name]:
            dual = held.factors[acting[0]].character.dual
            side = dual and not isinstance(group, AbstractRotation)
            sides.setdefault(side, []).append(_rows(held.x, acting[0]))
    return any(_full(torch.cat(rows, 1)) for rows in sides.values())


def _rows(x: Tensor, dim: int) -> Tensor:
    return x.movedim(dim, 0).reshape(x.shape[dim], -1)


def _full(rows: Tensor) -> bool:
    values = matrices.singular_values(rows)
    return len(values) == len(rows) and bool((values > FULL * values[:1]).all())


def _without(factor: Factor, names: Sequence[str]) -> Factor:
    return replace(factor, space=None) if factor.space in names else factor


def _together(symmetry: Symmetry, names: Sequence[str], blocks: Sequence[Held]) -> list[Cluster]:
    root = {name: name for name in names}

    def find(name: str) -> str:
        while root[name] != name:
            name = root[name]
        return name

    groups = [[f.space for f in held.factors if f.space is not None] for held in blocks]
    families = [[name, *symmetry.spaces[name].over] for name in names]
    for first, *others in filter(None, [*groups, *families]):
        for other in others:
            root[find(other)] = find(first)
    return [
        Cluster(
            {name: symmetry.spaces[name] for name in names if find(name) == top},
            tuple(
                held
                for held, acting in zip(blocks, groups, strict=True)
                if acting and find(acting[0]) == top
            ),
        )
        for top in dict.fromkeys(map(find, names))
    ]
