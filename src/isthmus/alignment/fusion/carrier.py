"""Carrier: one model's weights carried onto the units of another, space after space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from isthmus.algebra.groups import Motion
from isthmus.algebra.groups.base import along
from isthmus.algebra.reps import Block
from isthmus.algebra.spaces import Space
from isthmus.algebra.symmetry import Params, Symmetry
from isthmus.alignment.fusion.plans import Plan
from isthmus.ground.errors import BadInput


class Planner(Protocol):
    """What makes the plans."""

    @property
    def conserve(self) -> bool:
        """Whether weights that read a unit are shared out, not averaged."""
        ...

    def plan(self, cost: Tensor, target: Tensor, source: Tensor) -> Plan:
        """From costs and importances of units."""
        ...


class Carrier:
    """Carries the second of two models, of corresponding symmetries, onto the first.

    Everything is in linear coordinates, in float64.
    """

    def __init__(
        self,
        planner: Planner,
        symmetries: tuple[Symmetry, Symmetry],
        coordinates: tuple[Params, Params],
    ) -> None:
        self.planner = planner
        (self.first, self.second), (self.target, self.source) = symmetries, coordinates
        self.names = [n for n in self.target if n in self.first.essential.reps]
        self.moving = self._moving()
        self.plans: dict[str, Plan] = {}

    def carry(self, mine: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> Params:
        """The model's essential coordinates in the shapes of the first.

        Args:
            mine: activations of the first model, ``(samples, size)``, of some spaces.
            theirs: those of the second.
        """
        left = list(self.moving)
        while left:
            name = max(left, key=self._known)
            left.remove(name)
            if name in mine and name in theirs:
                rows = [(mine[name].double().T, theirs[name].double().T)]
            else:
                rows = self._incoming(name)
            cost = torch.stack([torch.cdist(a, b).square() for a, b in rows]).sum(0)
            sizes = (torch.cat(list(of), -1).norm(dim=-1) for of in zip(*rows, strict=True))
            self.plans[name] = self.planner.plan(cost, *sizes)
        return {name: self._carried(name) for name in self.names}

    def _moving(self) -> list[str]:
        """The spaces that get plans; the others have one size in both, and stay."""
        outer = {name for space in self.first.spaces.values() for name in space.over}
        found = []
        for name, space in self.first.essential.spaces.items():
            other = self.second.spaces[name].size
            if Motion.SWAP in space.group.motions and name not in outer:
                found.append(name)
            elif space.size != other:
                raise BadInput(
                    f"space {name} has size {space.size} in the first model and {other} in "
                    "another, and nothing permutes its coordinates alone",
                    "fuse models that are equally wide there",
                )
        return found

    def _places(self, name: str) -> list[tuple[str, Block, Block, int]]:
        """Where a space is written: parameter, its block in both models, and dimension.

        Where it is read, if it is written nowhere.
        """
        found: dict[bool, list[tuple[str, Block, Block, int]]] = {False: [], True: []}
        for parameter in self.names:
            pairs = zip(
                self.first.reps[parameter].blocks, self.second.reps[parameter].blocks, strict=True
            )
            for mine, theirs in pairs:
                for dim, factor in enumerate(mine.factors):
                    if factor.space == name:
                        found[factor.character.dual].append((parameter, mine, theirs, dim))
        return found[False] or found[True]

    def _settled(self, block: Block, dim: int) -> bool:
        """Whether the other spaces of a block have their plans, or stay."""
        others = {f.space for d, f in enumerate(block.factors) if d != dim}
        return not any(name in self.moving and name not in self.plans for name in others)

    def _known(self, name: str) -> float:
        """The share of incoming weights that can be compared."""
        sizes = [(b.numel, self._settled(b, dim)) for _, b, _, dim in self._places(name)]
        return sum(n for n, settled in sizes if settled) / max(sum(n for n, _ in sizes), 1)

    def _incoming(self, name: str) -> list[tuple[Tensor, Tensor]]:
        """Rows ``(*over, size, features)`` of both models; norms where nothing is comparable."""
        places = self._places(name)
        settled = [place for place in places if self._settled(place[1], place[3])]
        found = []
        for parameter, mine, theirs, dim in settled or places:
            x = mine.read(self.target[parameter])
            y = theirs.read(self.source[parameter])
            y = self._moved(mine, y) if settled else y
            at = {f.space: d for d, f in enumerate(mine.factors)}
            front = [*(at[outer] for outer in self.first.spaces[name].over), dim]
            a, b = (_rows(t, front) for t in (x, y))
            found.append((a, b) if settled else (_norms(a), _norms(b)))
        return found

    def _moved(self, block: Block, x: Tensor) -> Tensor:
        """All plans so far on a block of the second model; ``block`` is that of the first."""
        conserve = self.planner.conserve
        maps = {
            name: (plan.averaging, plan.sharing if conserve else plan.averaging)
            for name, plan in self.plans.items()
        }
        return carried(self.first.spaces, block, x, maps)

    def _carried(self, name: str) -> Tensor:
        """One parameter, by all plans."""
        out = torch.zeros_like(self.target[name])
        blocks = zip(self.first.reps[name].blocks, self.second.reps[name].blocks, strict=True)
        for mine, theirs in blocks:
            mine.write(out, self._moved(mine, theirs.read(self.source[name])))
        return out


def carried(
    spaces: Mapping[str, Space], block: Block, x: Tensor, maps: Mapping[str, tuple[Tensor, Tensor]]
) -> Tensor:
    """A block multiplied by matrices: of each space one where it is natural, one where it is dual.

    Args:
        spaces: all, with those that index them.
        block: says which dimensions of ``x`` are of which space; sizes do not count.
        x: one dimension for each factor of the block.
        maps: ``(*over, m, n)`` each; spaces that have none stay.
    """
    at = {f.space: d for d, f in enumerate(block.factors) if f.space is not None}
    for name in (n for n in spaces if n in at and n in maps):
        over = [at[outer] for outer in spaces[name].over]
        for dim, factor in enumerate(block.factors):
            if factor.space == name:
                x = along(maps[name][factor.character.dual], x, dim, over)
    return x


def _rows(x: Tensor, front: list[int]) -> Tensor:
    """The dimensions ``front`` first, all others in one."""
    x = x.movedim(front, list(range(len(front))))
    return x.reshape(*x.shape[: len(front)], -1)


def _norms(rows: Tensor) -> Tensor:
    return rows.square().sum(-1, keepdim=True).sqrt()
