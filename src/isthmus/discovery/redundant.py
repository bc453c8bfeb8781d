"""Outer spaces need no scale or sign that the spaces they index have already.

A scale per attention head is also a scale of each of that head's keys: it would be counted twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from isthmus.algebra.groups import AbstractMonomial, Character, Motion, PlaneRotation, monomial
from isthmus.algebra.spaces import Factor
from isthmus.algebra.symmetry import Symmetry
from isthmus.discovery.units import eliminate

Vector = dict[tuple[str, int], int]


def without_redundant(symmetry: Symmetry) -> Symmetry:
    """The same group with every generator named once."""
    for outer in [n for n in symmetry.spaces if any(n in s.over for s in symmetry.spaces.values())]:
        group = symmetry.spaces[outer].group
        if isinstance(group, AbstractMonomial) and (group.scales or group.flips):
            scales = _needed(symmetry, outer, "scales", group.scales, 0)
            flips = _needed(symmetry, outer, "flips", group.flips, 2)
            symmetry = _keep(symmetry, outer, scales, flips)
    return _without_trivial(symmetry)


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


def _needed(symmetry: Symmetry, outer: str, kind: str, count: int, modulus: int) -> list[int]:
    """The generators of an outer space that the inner ones do not span."""
    inner = [name for name, space in symmetry.spaces.items() if outer in space.over]
    known = [v for name in inner for v in _vectors(symmetry, name, kind)]
    kept = []
    own = _vectors(symmetry, outer, kind)
    for k in range(count):
        if not _spanned(own[k], known, modulus):
            kept.append(k)
            known.append(own[k])
    return kept


def _vectors(symmetry: Symmetry, name: str, kind: str) -> list[Vector]:
    """For each generator, the exponent with which each block of each parameter feels it."""
    group = symmetry.spaces[name].group
    if isinstance(group, AbstractMonomial):
        count = group.scales if kind == "scales" else group.flips
    else:
        # A half turn of a plane is the sign of both its coordinates.
        turned = kind == "flips" and isinstance(group, PlaneRotation)
        needed = Motion.STRETCH if kind == "scales" else Motion.FLIP
        count = int(turned or needed in group.motions)
    vectors: list[Vector] = [{} for _ in range(count)]
    for parameter, rep in symmetry.reps.items():
        for b, block in enumerate(rep.blocks):
            for factor in block.factors:
                if factor.space == name:
                    for k, v in enumerate(vectors):
                        v[parameter, b] = v.get((parameter, b), 0) + _exponent(factor, kind, k)
    return vectors


def _exponent(factor: Factor, kind: str, k: int) -> int:
    character = factor.character
    exponents: Sequence[int] = getattr(character, kind)
    if exponents:
        return exponents[k]
    return -1 if character.dual and kind == "scales" else 1


def _spanned(vector: Vector, known: Sequence[Vector], modulus: int) -> bool:
    keys = list(dict.fromkeys(key for v in (*known, vector) for key in v))

    def rank(rows: Sequence[Vector]) -> int:
        table = [[Fraction(v.get(key, 0)) for key in keys] for v in rows]
        if modulus:
            table = [[Fraction(int(x) % modulus) for x in row] for row in table]
        return len(eliminate(table, len(keys), modulus))

    return rank([*known, vector]) == rank(known)


def _keep(symmetry: Symmetry, name: str, scales: list[int], flips: list[int]) -> Symmetry:
    """Only these generators of one space."""
    space = symmetry.spaces[name]
    swaps = Motion.SWAP in space.group.motions
    group = monomial(space.size, swaps=swaps, flips=len(flips), scales=len(scales))

    def change(factor: Factor) -> Character:
        c = factor.character
        return (
            c
            if factor.space != name
            else Character(
                c.dual, tuple(c.scales[k] for k in scales), tuple(c.flips[k] for k in flips)
            )
        )

    spaces = {**symmetry.spaces, name: replace(space, group=group)}
    reps = {n: rep.recharacter(change) for n, rep in symmetry.reps.items()}
    return replace(symmetry, spaces=spaces, reps=reps)
