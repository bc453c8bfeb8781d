"""Flows: a connected element carries coordinates along its curve, factorised once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from isthmus.algebra.elements import Element
from isthmus.algebra.groups.base import FLOAT
from isthmus.algebra.groups.curves import Felt, Fixed, Step
from isthmus.algebra.reps import Block

if TYPE_CHECKING:
    from isthmus.algebra.symmetry import Symmetry

Params = dict[str, Tensor]


class _Place(NamedTuple):
    """Where a space acts on a block, and the steps by which it does."""

    dim: int
    over: list[int]
    steps: Sequence[Step]


class _Moving(NamedTuple):
    """A block as it enters the frames of all that acts on it."""

    block: Block
    start: Tensor
    places: list[_Place]


class Flow:
    """``t ↦ act(g ** t)`` on linear coordinates, with its derivatives; any t for one product.

    What does not depend on t is done once: the curves of all spaces are factorised, and the
    coordinates brought into their frames. Where several curves lead to a matrix, the one on which
    its coordinates move less far is taken, all else at rest. All in float64.

    Args:
        g: An element of the identity component (`Element.split`).
        coordinates: What it moves, as `Symmetry.coordinates` gives it.

    Raises:
        Disconnected: ``g`` is in another component.
    """

    def __init__(self, g: Element, coordinates: Mapping[str, Tensor]) -> None:
        self.symmetry, self.coordinates = g.symmetry, coordinates
        self._curves = g.curve(lambda name: _felt(g.symmetry, name, coordinates))
        spaces = g.symmetry.spaces.items()
        awake = {n for n, s in spaces if not s.group.is_identity(g.values[n], 0.0)}
        self._moving = {
            name: [self._entered(block, block.read(wide)) for block in rep.blocks]
            for name, rep in g.symmetry.reps.items()
            if not awake.isdisjoint(rep.spaces)
            for wide in [_wide(coordinates[name])]
        }

    def _entered(self, block: Block, x: Tensor) -> _Moving:
        """First steps that do not depend on t are taken here: they commute with all others."""
        place = {f.space: d for d, f in enumerate(block.factors) if f.space is not None}
        places = []
        for dim, factor in enumerate(block.factors):
            if factor.space is None:
                continue
            over = [place[outer] for outer in self.symmetry.spaces[factor.space].over]
            steps = self._curves.parts[factor.space].steps(factor.character)
            if steps and isinstance(steps[0], Fixed):
                x, steps = steps[0].at(0.0, x, dim, over), steps[1:]
            places.append(_Place(dim, over, steps))
        return _Moving(block, x, places)

    def __call__(self, t: float) -> Params:
        """The coordinates at ``t``."""
        return self.jet(t, 0)[0]

    def jet(self, t: float, order: int) -> list[Params]:
        """The coordinates at ``t`` and their derivatives by t, up to this order."""
        out: list[Params] = [
            {n: x if k == 0 else torch.zeros_like(x) for n, x in self.coordinates.items()}
            for k in range(order + 1)
        ]
        for name, blocks in self._moving.items():
            made = self._joined(name, [_jet(moving, t, order) for moving in blocks])
            for params, whole in zip(out, made, strict=True):
                params[name] = whole
        return out

    def _joined(self, name: str, parts: list[list[Tensor]]) -> list[Tensor]:
        """The jet of a parameter from those of its blocks."""
        shape = self.coordinates[name].shape
        if len(parts) == 1:
            return [one.reshape(shape) for one in parts[0]]
        whole = [one.new_empty(shape) for one in parts[0]]
        for moving, jet in zip(self._moving[name], parts, strict=True):
            for out, part in zip(whole, jet, strict=True):
                moving.block.write(out, part)
        return whole

    @cached_property
    def rate(self) -> float:
        """ν with ``‖x⁽ᵏ⁾(t + s)‖ ≤ νᵏ exp(|s| ν) ‖x(t)‖`` in coordinates, x what moves."""
        found = [0.0]
        for name in self._moving:
            for block in self.symmetry.reps[name].blocks:
                acting = [(f.space, f.character) for f in block.factors if f.space is not None]
                found.append(sum(self._curves.parts[n].rate(c) for n, c in acting))
        return max(found)


def _jet(moving: _Moving, t: float, order: int) -> list[Tensor]:
    """A block and its derivatives."""
    jet = [moving.start, *(torch.zeros_like(moving.start) for _ in range(order))]
    for dim, over, steps in moving.places:
        for step in steps:
            jet = step.jet(t, jet, dim, over)
    return jet


def _felt(symmetry: Symmetry, space: str, coordinates: Mapping[str, Tensor]) -> Felt:
    """The Gram matrices of all rows on which a space acts, those of dual axes apart."""

    def grams() -> tuple[Tensor, Tensor]:
        size, batch = symmetry.spaces[space].size, symmetry.batch(space)
        sides = torch.zeros(2, *batch, size, size, dtype=FLOAT)
        for name, block, dim in symmetry.occurrences(space):
            x = _wide(block.read(coordinates[name]))
            place = {f.space: d for d, f in enumerate(block.factors) if f.space is not None}
            kept = [*(place[outer] for outer in symmetry.spaces[space].over), dim]
            rest = [d for d in range(x.dim()) if d not in kept]
            rows = x.permute(*kept, *rest).reshape(*batch, size, -1)
            sides[int(block.factors[dim].character.dual)] += rows @ rows.mT
        return sides[0], sides[1]

    return grams


def _wide(tensor: Tensor) -> Tensor:
    """In double precision: exact means exact."""
    return tensor.to(torch.promote_types(tensor.dtype, FLOAT))
