"""Directions in the space of parameters, told by the few parameters that they move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from isthmus.algebra.symmetry import Params
from isthmus.discovery.spectrum import FLAT
from isthmus.ground.matrices import singular
from isthmus.ground.results import Result

FEW = 6
"""Directions that move more tensors than this share one line of a summary."""

NAMED = 12
"""The most tensors that one line of a summary names."""


@dataclass(frozen=True, eq=False)
class Direction(Result):
    """One direction: which parameters it moves.

    Attributes:
        shares: parameter to its share of the squared length in relative coordinates (every tensor
            divided by its size), largest first; only the parameters that move.
        vector: the direction itself, in the units of the parameters.
    """

    shares: Mapping[str, float]
    vector: Params = field(metadata={"json": False}, repr=False)

    def __str__(self) -> str:
        return ", ".join(f"{name} {share:.0%}" for name, share in self.shares.items())


def directions(rows: Tensor, params: Mapping[str, Tensor], scale: Tensor) -> tuple[Direction, ...]:
    """Named directions from ``rows`` ``(any, width)`` in units of ``scale`` ``(width,)``."""
    sizes = [t.numel() for t in params.values()]
    made = []
    for row in rows:
        parts = zip(params, row.split(sizes), strict=True)
        shares = {name: float(part.square().sum()) for name, part in parts}
        vector = {
            name: part.reshape(t.shape)
            for (name, t), part in zip(params.items(), (row * scale).split(sizes), strict=True)
        }
        ordered = sorted(shares.items(), key=lambda pair: -pair[1])
        made.append(Direction({n: s for n, s in ordered if s > FLAT}, vector))
    return tuple(made)


def fewest_tensors(space: Tensor, known: Tensor, sizes: Sequence[int]) -> Tensor:
    """Directions that together with the known ones span a space, and move few tensors each.

    One round: put tensors to rest, one after the other, as long as directions that leave all of
    them at rest are not all known; take those, and call them known. Several orders are tried, and
    the one taken that leaves the fewest tensors moving.

    Args:
        space: ``(n, width)``, orthonormal.
        known: ``(k, n)``, orthonormal: coordinates in ``space`` of what need not be found.
        sizes: how many columns every tensor has, in order.

    Returns:
        ``(n − k, width)`` rows of length one. Rows of one round, which move the same tensors, are
        orthogonal to each other and to what is known among the directions of these tensors.
    """
    parts = torch.split(space, list(sizes), dim=1)
    orders = [list(range(len(sizes))), sorted(range(len(sizes)), key=lambda k: -sizes[k])]
    orders.append(orders[0][::-1])
    found = []
    while len(known) < len(space):
        rounds = [_round(parts, known, order) for order in orders]
        fresh = _new(min(rounds, key=lambda one: one[0])[1], known)
        found.append(fresh @ space)
        known = torch.cat([known, _orthonormal(fresh - fresh @ known.T @ known)])
    return torch.cat(found) if found else space[:0]


def _round(parts: Sequence[Tensor], known: Tensor, order: Sequence[int]) -> tuple[int, Tensor]:
    """How many tensors cannot be put to rest in this order, and the directions left."""
    within = torch.eye(len(parts[0]), dtype=parts[0].dtype)
    moving = 0
    for k in order:
        still = _at_rest(within, parts[k])
        if _count_new(still, known):
            within = still
        else:
            moving += 1
    return moving, within


def _at_rest(within: Tensor, part: Tensor) -> Tensor:
    """The directions of a subspace ``(m, n)`` that leave one tensor ``(n, size)`` alone."""
    left, values, _ = torch.linalg.svd(within @ part, full_matrices=True)
    moving = int((values > FLAT).sum())
    out: Tensor = left.T[moving:] @ within
    return out


def _new(within: Tensor, known: Tensor) -> Tensor:
    """The directions of a subspace that are not known, orthogonal to those of it that are."""
    left, values, _ = singular(within - within @ known.T @ known)
    return left.T[values > FLAT] @ within


def _count_new(within: Tensor, known: Tensor) -> int:
    if not len(within):
        return 0
    return int((torch.linalg.svdvals(within - within @ known.T @ known) > FLAT).sum())


def _orthonormal(rows: Tensor) -> Tensor:
    return singular(rows)[2]


def summary(found: Sequence[Direction], names: Sequence[str]) -> list[str]:
    """One line for all directions that move the same few tensors, one for those that move many.

    Each says how many they are, and their mean shares.
    """
    groups: dict[frozenset[str], list[Direction]] = {}
    for one in found:
        few = len(one.shares) <= FEW
        groups.setdefault(frozenset(one.shares) if few else frozenset(), []).append(one)
    return [_line(members, names) for _, members in sorted(groups.items(), key=lambda g: not g[0])]


def _line(members: Sequence[Direction], names: Sequence[str]) -> str:
    means = {n: sum(m.shares.get(n, 0.0) for m in members) / len(members) for n in names}
    ordered = sorted(((n, s) for n, s in means.items() if s), key=lambda pair: -pair[1])
    told = [f"{name} {share:.0%}" if share >= 0.005 else f"{name} <1%" for name, share in ordered]
    more = f" and {len(told) - NAMED} more" if len(told) > NAMED else ""
    return f"{len(members)} × {', '.join(told[:NAMED])}{more}"
