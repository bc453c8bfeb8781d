"""Subgroups of a symmetry: fewer motions in some spaces, and the way back to the whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from torch import Tensor

from isthmus.algebra.elements import Element
from isthmus.algebra.groups import (
    AbstractMonomial,
    Character,
    Group,
    Lattice,
    Translation,
    Value,
    Wreath,
    monomial,
)
from isthmus.algebra.groups.base import Motion
from isthmus.algebra.spaces import Space
from isthmus.ground.errors import BadInput

if TYPE_CHECKING:
    from isthmus.algebra.symmetry import Symmetry


def restrict(
    symmetry: Symmetry, to: type[Group] | Callable[[Space], bool] | Sequence[Motion]
) -> Symmetry:
    """A subgroup, as `Symmetry.restrict` says."""
    spaces: dict[str, Space] = {}
    change: dict[str, Callable[[Character], Character]] = {}
    for name, space in symmetry.spaces.items():
        group, change[name] = space.group.meet(_motions(to, space))
        spaces[name] = replace(space, group=group)
    reps = {
        name: rep.recharacter(lambda f: change[str(f.space)](f.character))
        for name, rep in symmetry.reps.items()
    }
    return replace(symmetry, spaces=spaces, reps=reps)


def lift(symmetry: Symmetry, g: Element) -> Element:
    """An element of a subgroup, as an element of the whole."""
    values: dict[str, Value] = {}
    for name, space in symmetry.spaces.items():
        smaller = g.symmetry.spaces[name].group
        values[name] = _lift(g.values[name], smaller, space.group, symmetry.batch(name))
    return Element(symmetry, values)


def _motions(
    to: type[Group] | Callable[[Space], bool] | Sequence[Motion], space: Space
) -> frozenset[Motion]:
    if isinstance(to, type):
        if not issubclass(to, Group):
            raise BadInput(f"{to.__name__} is not a group", "pass a group class or a predicate")
        if to.__name__ not in _CLASS_MOTIONS:
            known = ", ".join(_CLASS_MOTIONS)
            raise BadInput(f"cannot restrict to {to.__name__}", f"pass one of {known}")
        return _CLASS_MOTIONS[to.__name__]
    if callable(to):
        return frozenset(Motion) if to(space) else frozenset()
    return frozenset(to)


_CLASS_MOTIONS = {
    "Trivial": frozenset[Motion](),
    "Permutation": frozenset({Motion.SWAP}),
    "SignedPermutation": frozenset({Motion.SWAP, Motion.FLIP}),
    "PositiveScaling": frozenset({Motion.STRETCH}),
    "Monomial": frozenset({Motion.SWAP, Motion.FLIP, Motion.STRETCH}),
    "Orthogonal": frozenset({Motion.SWAP, Motion.FLIP, Motion.TURN}),
    "GeneralLinear": frozenset(Motion) - {Motion.SHIFT},
    "Wreath": frozenset(Motion) - {Motion.SHIFT},
    "MeanOrthogonal": frozenset({Motion.SWAP, Motion.TURN}),
    "PlaneRotation": frozenset({Motion.TURN}),
    "Translation": frozenset({Motion.SHIFT}),
}


def _lift(value: Value, small: Group, large: Group, batch: tuple[int, ...]) -> Value:
    if small == large:
        return value
    if isinstance(large, Wreath):
        return _lift_blocks(value, small, large, batch)
    one = large.identity(batch)
    if isinstance(large, Translation | Lattice):
        return one  # of smaller groups only the trivial one
    if isinstance(one, Tensor):
        return small.matrix(value, small.natural)
    signs, logs = one.signs.clone(), one.logs.clone()
    signs[..., : value.signs.shape[-2], :] = value.signs
    logs[..., : value.logs.shape[-2], :] = value.logs
    return type(one)(value.perm, signs, logs)


def _lift_blocks(value: Value, small: Group, large: Wreath, batch: tuple[int, ...]) -> Value:
    """A value of a smaller wreath product, or of a diagonal group, block by block."""
    one, inside = large.identity(batch), (*batch, large.blocks)
    if isinstance(small, Wreath):
        return one._replace(
            perm=value.perm, inner=_lift(value.inner, small.inner, large.inner, inside)
        )
    assert isinstance(small, AbstractMonomial)  # see Wreath.meet
    inner = monomial(large.inner.size, swaps=False, flips=small.flips, scales=small.scales)
    parts = (p.unflatten(-1, (large.blocks, inner.size)).transpose(-3, -2) for p in value[1:])
    blocks = type(value)(inner.identity(inside).perm, *parts)
    return one._replace(inner=_lift(blocks, inner, large.inner, inside))
