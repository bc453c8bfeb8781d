"""Directions in the space of parameters, told by the parameters that they move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from isthmus.algebra.symmetry import Params
from isthmus.ground.results import Result

WORTH_NAMING = 0.02
"""The least share of a direction for which a parameter is named in a summary."""


@dataclass(frozen=True, eq=False)
class Direction(Result):
    """One direction: which parameters it moves.

    Attributes:
        shares: parameter to its share of the squared length, largest first.
        vector: the direction itself, in the units of the parameters.
    """

    shares: Mapping[str, float]
    vector: Params = field(metadata={"json": False}, repr=False)

    def __str__(self) -> str:
        return ", ".join(f"{name} {share:.0%}" for name, share in self.shares.items())


def directions(basis: Tensor, params: Mapping[str, Tensor], scale: Tensor) -> tuple[Direction, ...]:
    """A basis of the same space whose directions move few tensors each.

    Args:
        basis: ``(any, width)``, orthonormal.
        params: the tensors that the columns run over, in order.
        scale: ``(width,)``, the unit of every column.
    """
    if not len(basis):
        return ()
    sizes = [t.numel() for t in params.values()]
    made = []
    for row in _apart(basis, sizes):
        shares = {n: float(part.square().sum()) for n, part in zip(params, row.split(sizes))}
        vector = {
            n: part.reshape(t.shape)
            for (n, t), part in zip(params.items(), (row * scale).split(sizes), strict=True)
        }
        ordered = sorted(shares.items(), key=lambda pair: -pair[1])
        made.append(Direction({n: s for n, s in ordered if s > 1e-6}, vector))
    return tuple(made)


def _apart(basis: Tensor, sizes: Sequence[int]) -> Tensor:
    """The space turned so that what lies in different tensors comes apart.

    Every tensor has its own form on the space: the squared length that lies in it. Where the space
    is a sum of parts that move different tensors, all these forms share the parts, and so does the
    eigenbasis of one generic combination of them.
    """
    golden = 0.618033988749895
    weights = [k + (k * golden) % 1 for k in range(len(sizes))]
    weighted = torch.cat([basis.new_full((n,), w) for n, w in zip(sizes, weights, strict=True)])
    _, turn = torch.linalg.eigh((basis * weighted) @ basis.T)
    out: Tensor = turn.T @ basis
    return out


def summary(found: Sequence[Direction], names: Sequence[str]) -> list[str]:
    """One line for all directions that move the same tensors: how many, and mean shares."""
    groups: dict[tuple[str, ...], list[Direction]] = {}
    for one in found:
        moved = {n for n, share in one.shares.items() if share >= WORTH_NAMING}
        groups.setdefault(tuple(n for n in names if n in moved), []).append(one)
    lines = []
    for moved, members in groups.items():
        shares = {n: sum(m.shares.get(n, 0.0) for m in members) / len(members) for n in moved}
        ordered = sorted(shares.items(), key=lambda pair: -pair[1])
        lines.append(f"{len(members)} × " + ", ".join(f"{n} {s:.0%}" for n, s in ordered))
    return lines
