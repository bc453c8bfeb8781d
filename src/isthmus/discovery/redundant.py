"""Outer spaces need no scale or sign that the spaces they index have already.

A scale per attention head is also a scale of each of that head's keys: it would be counted twice.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace

from isthmus.algebra.groups import AbstractMonomial, Character, Motion, PlaneRotation, monomial
from isthmus.algebra.spaces import Factor
from isthmus.algebra.symmetry import Symmetry
from isthmus.discovery.echelon import Echelon

Vector = dict[tuple[str, int], int]


def without_redundant(symmetry: Symmetry, beside: Container[str] = ()) -> Symmetry:
    """The same group with every generator named once; what is beside the parameters counts not."""
    indexing = dict.fromkeys(o for s in symmetry.spaces.values() for o in s.over)
    outer = [name for name in symmetry.spaces if name in indexing]
    if not outer:
        return _without_trivial(symmetry)
    felt = {kind: _vectors(symmetry, kind, beside) for kind in ("scales", "flips")}
    keep: dict[str, tuple[list[int], list[int]]] = {}
    for name in outer:
        group = symmetry.spaces[name].group
        if isinstance(group, AbstractMonomial) and (group.scales or group.flips):
            inner = [n for n, space in symmetry.spaces.items() if name in space.over]
            keep[name] = (
                _needed(felt["scales"], name, inner, 0),
                _needed(felt["flips"], name, inner, 2),
            )
            for kind, kept in zip(("scales", "flips"), keep[name], strict=True):
                felt[kind][name] = [felt[kind][name][k] for k in kept]
    return _without_trivial(_keep(symmetry, keep))


def _without_trivial(symmetry: Symmetry) -> Symmetry:
    """Spaces on which nothing acts any more become fixed, unless they index others."""
    idle = {
        name
        for name, space in symmetry.spaces.items()
        if not space.group.motions and all(name not in s.over for s in symmetry.spaces.values())
    }
    spaces = {name: space for name, space in symmetry.spaces.items() if name not in idle}
    reps = {name: rep.without(idle) for name, rep in symmetry.reps.items()}
    return replace(symmetry, spaces=spaces, reps=reps)


def _needed(
    felt: Mapping[str, Sequence[Vector]], outer: str, inner: Sequence[str], modulus: int
) -> list[int]:
    """The generators of an outer space that the inner ones do not span."""
    known: Echelon[tuple[str, int]] = Echelon(modulus=modulus)
    for name in inner:
        for vector in felt[name]:
            known.add(vector)
    return [k for k, vector in enumerate(felt[outer]) if known.add(vector)]


def _vectors(symmetry: Symmetry, kind: str, beside: Container[str]) -> dict[str, list[Vector]]:
    """Of every space, for each generator, the exponent with which blocks of parameters feel it."""
    vectors: dict[str, list[Vector]] = {}
    for name, space in symmetry.spaces.items():
        group = space.group
        if isinstance(group, AbstractMonomial):
            count = group.scales if kind == "scales" else group.flips
        else:
            # A half turn of a plane is the sign of both its coordinates.
            turned = kind == "flips" and isinstance(group, PlaneRotation)
            needed = Motion.STRETCH if kind == "scales" else Motion.FLIP
            count = int(turned or needed in group.motions)
        vectors[name] = [{} for _ in range(count)]
    for parameter, rep in symmetry.reps.items():
        if parameter in beside:
            continue
        for b, block in enumerate(rep.blocks):
            for factor in block.factors:
                for k, v in enumerate(vectors[factor.space] if factor.space else ()):
                    v[parameter, b] = v.get((parameter, b), 0) + _exponent(factor, kind, k)
    return vectors


def _exponent(factor: Factor, kind: str, k: int) -> int:
    character = factor.character
    exponents: Sequence[int] = getattr(character, kind)
    if exponents:
        return exponents[k]
    return -1 if character.dual and kind == "scales" else 1


def _keep(symmetry: Symmetry, keep: Mapping[str, tuple[list[int], list[int]]]) -> Symmetry:
    """Only these scales and flips of some spaces."""
    spaces = dict(symmetry.spaces)
    for name, (scales, flips) in keep.items():
        space = spaces[name]
        swaps = Motion.SWAP in space.group.motions
        group = monomial(space.size, swaps=swaps, flips=len(flips), scales=len(scales))
        spaces[name] = replace(space, group=group)

    def change(factor: Factor) -> Character:
        c = factor.character
        if factor.space is None or factor.space not in keep:
            return c
        scales, flips = keep[factor.space]
        return Character(
            c.dual, tuple(c.scales[k] for k in scales), tuple(c.flips[k] for k in flips)
        )

    reps = {n: rep.recharacter(change) for n, rep in symmetry.reps.items()}
    return replace(symmetry, spaces=spaces, reps=reps)
