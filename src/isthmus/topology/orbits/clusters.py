"""Clusters: spaces that act together; an orbit is the product of those of its clusters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from torch import Tensor

from isthmus.algebra import Block, Symmetry
from isthmus.algebra.groups import FLOAT
from isthmus.algebra.spaces import Space


@final
@dataclass(frozen=True, eq=False)
class Cluster:
    """Spaces of which each acts on a block with another, and the blocks on which they act.

    Attributes:
        spaces: By name, outer spaces first.
        blocks: The blocks with what they hold, ``(*block.shape)``, in float64.
    """

    spaces: Mapping[str, Space]
    blocks: tuple[tuple[Block, Tensor], ...]

    @property
    def families(self) -> bool:
        """Whether a space is indexed by another."""
        return any(space.over for space in self.spaces.values())


def clusters(symmetry: Symmetry, params: Mapping[str, Tensor]) -> list[Cluster]:
    """All clusters, at given params, in the coordinates on which the group acts linearly."""
    wide = {n: x.to(FLOAT) if x.is_floating_point() else x for n, x in params.items()}
    coordinates = symmetry.coordinates(wide)
    root = {name: name for name in symmetry.spaces}

    def find(name: str) -> str:
        while root[name] != name:
            name = root[name]
        return name

    held: list[tuple[str, Block, Tensor]] = []
    for name, rep in symmetry.reps.items():
        for block in rep.blocks:
            acting = [f.space for f in block.factors if f.space is not None]
            for other in acting[1:]:
                root[find(other)] = find(acting[0])
            if acting:
                held.append((acting[0], block, block.read(coordinates[name])))
    for name, space in symmetry.spaces.items():
        for outer in space.over:
            root[find(outer)] = find(name)
    return [
        Cluster(
            {n: s for n, s in symmetry.spaces.items() if find(n) == top},
            tuple((block, x) for name, block, x in held if find(name) == top),
        )
        for top in dict.fromkeys(map(find, symmetry.spaces))
    ]
