"""Units of measure: integer equations between log-scales, and between signs, solved exactly.

Every occurrence of a space in a tensor carries an unknown scale and sign per coordinate. The
operators relate them (a gate adds, a power multiplies, GELU sets to zero). The integer kernel of
these equations is the group of scalings; each unit becomes a vector of exponents.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from isthmus.discovery.echelon import Echelon
from isthmus.discovery.nodes import ZERO, Kind, Node, Unit, unit_leaves
from isthmus.discovery.typing import Typing


@dataclass
class _Linked:
    """Units that are equal up to sign, in a union-find; a class may be known to be zero."""

    parent: dict[Unit, tuple[Unit, int]] = field(default_factory=dict)
    zero: set[Unit] = field(default_factory=set)

    def find(self, unit: Unit) -> tuple[Unit, int]:
        sign, path = 1, unit
        while path in self.parent:
            path, s = self.parent[path]
            sign *= s
        if path is not unit:
            self.parent[unit] = (path, sign)
        return path, sign

    def nil(self, unit: Unit) -> None:
        self.zero.add(self.find(unit)[0])

    def link(self, a: Unit, b: Unit, sign: int) -> None:
        """State ``a = sign b``."""
        (x, s), (y, t) = self.find(a), self.find(b)
        relation = s * sign * t
        if x is y:
            if relation < 0:
                self.zero.add(x)
            return
        self.parent[x] = (y, relation)
        if x in self.zero:
            self.zero.add(y)

    def reduce(self, equation: dict[Unit, int]) -> dict[Unit, int]:
        out: dict[Unit, int] = {}
        for unit, k in equation.items():
            root, sign = self.find(unit)
            if root not in self.zero:
                out[root] = out.get(root, 0) + sign * k
        return {u: k for u, k in out.items() if k}


@dataclass
class Units:
    """The solution: exponents of every leaf unit, and the number of families per leaf.

    ``unknown`` are units that were asked for and do not follow from those of parameters.
    """

    scales: dict[Unit, tuple[int, ...]]
    flips: dict[Unit, tuple[int, ...]]
    families: dict[Node, tuple[int, int]]
    unknown: set[Unit] = field(default_factory=set)

    def exponents(self, unit: Unit, leaf: Node) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """(scale exponents, sign exponents) with which a leaf occurrence feels its leaf's units."""
        scales, flips = self.families.get(leaf, (0, 0))
        return self.scales.get(unit, (0,) * scales), self.flips.get(unit, (0,) * flips)


def solve(
    typing: Typing,
    held: Iterable[tuple[Unit, Node]],
    beside: Iterable[tuple[Unit, Node]] = (),
) -> Units:
    """Solve for the units that parameters hold: ``(unit, leaf)`` pairs.

    The units of ``beside`` (those of activations) are told in terms of these.
    """
    wanted, more = _by_leaf(held), _by_leaf(beside)
    scale, flip = _equations(typing, [u for of in (wanted, more) for us in of.values() for u in us])
    scales, n_scales, free = _kernel(scale, wanted, more, modulus=0)
    flips, n_flips, loose = _kernel(flip, wanted, more, modulus=2)
    families = {leaf: (n_scales.get(leaf, 0), n_flips.get(leaf, 0)) for leaf in wanted}
    return Units(scales, flips, families, free | loose)


def _by_leaf(pairs: Iterable[tuple[Unit, Node]]) -> dict[Node, list[Unit]]:
    found: dict[Node, list[Unit]] = {}
    for unit, leaf in pairs:
        if unit is not ZERO:
            found.setdefault(leaf, []).append(unit)
    return found


def _equations(
    typing: Typing, wanted: Sequence[Unit]
) -> tuple[list[dict[Unit, int]], list[dict[Unit, int]]]:
    """All equations, on the units of leaves."""
    scale = [e for equation in typing.scale_equations for e in _open(equation)]
    flip = [e for units in typing.flip_equations for e in _open(dict(_counts(units)))]
    seen: dict[Unit, None] = {}
    every = [u for e in (*typing.scale_equations, *map(_counts, typing.flip_equations)) for u in e]
    pending = [*wanted, *every]
    while pending:
        unit = pending.pop()
        if unit not in seen:
            seen[unit] = None
            pending += unit.parents
    for unit in seen:
        more = _collapsed(unit)
        scale += more
        flip += [dict.fromkeys(e, 1) for e in more]
    still = {node.find()[0] for node in typing.frozen}
    for unit in wanted:
        if unit.node is not None and unit.node.find()[0] in still:
            scale.append({unit: 1})
            flip.append({unit: 1})
    return scale, flip


def _counts(units: Iterable[Unit]) -> dict[Unit, int]:
    out: dict[Unit, int] = {}
    for unit in units:
        out[unit] = out.get(unit, 0) + 1
    return out


def _open(equation: dict[Unit, int]) -> list[dict[Unit, int]]:
    """One equation per leaf; where the structures do not agree, everything is zero."""
    opened = []
    for unit in equation:
        assert unit.node is not None
        opened.append(unit_leaves(unit, unit.node))
    lengths = {len(leaves) for leaves in opened}
    agree = len(lengths) == 1 and all(
        len({leaf for _, leaf in column}) == 1 for column in zip(*opened, strict=False)
    )
    if not agree:
        return [{u: 1} for leaves in opened for u, _ in leaves if u is not ZERO]
    out: list[dict[Unit, int]] = []
    for column in zip(*opened, strict=True):
        merged: dict[Unit, int] = {}
        for (unit, _), k in zip(column, equation.values(), strict=True):
            if unit is not ZERO:
                merged[unit] = merged.get(unit, 0) + k
        out.append(merged)
    return [e for e in out if e]


def _collapsed(unit: Unit) -> list[dict[Unit, int]]:
    """A collapsed family is one space: the units of its members are equal."""
    if unit.node is None:
        return []
    node, _ = unit.node.find()
    if node.kind is not Kind.FAMILY or not node.collapsed:
        return []
    first = unit_leaves(unit.child(0, node.parts[0][0]), node.parts[0][0])
    out = []
    for k, child in unit.children.items():
        others = unit_leaves(child, node.parts[k][0])
        for (a, _), (b, _) in zip(first, others, strict=False):
            if a is not b:
                out.append({u: s for u, s in ((a, 1), (b, -1)) if u is not ZERO})
    return out


def _kernel(
    equations: list[dict[Unit, int]],
    wanted: dict[Node, list[Unit]],
    beside: dict[Node, list[Unit]],
    modulus: int,
) -> tuple[dict[Unit, tuple[int, ...]], dict[Node, int], set[Unit]]:
    """Exponents for the wanted units: a basis of solutions, leaf by leaf; and for those beside.

    The third result is those beside that the wanted ones do not determine.
    """
    linked, left = _link(equations, modulus)
    exponents: dict[Unit, tuple[int, ...]] = {}
    counts: dict[Node, int] = {}
    unknown: set[Unit] = set()
    by_leaf: dict[Node, list[dict[Unit, int]]] = {}
    for equation in left:
        unit = next(iter(equation))
        leaf = unit_leaves(unit, unit.node)[0][1] if unit.node is not None else None
        if leaf is not None:
            by_leaf.setdefault(leaf, []).append(equation)
    for leaf, units in wanted.items():
        roots = {r for r, _ in map(linked.find, units) if r not in linked.zero}
        also = {r for r, _ in map(linked.find, beside.get(leaf, ()))} - roots - linked.zero
        known = sorted_units(roots, units, linked)
        basis, free = _nullspace(by_leaf.get(leaf, []), known, also, modulus)
        counts[leaf] = len(basis)
        for unit in (*units, *beside.get(leaf, ())):
            root, sign = linked.find(unit)
            sign = sign if not modulus else 1
            exponents[unit] = tuple(sign * vector.get(root, 0) for vector in basis)
            unknown |= {unit} if root in free else set()
    return exponents, counts, unknown


def sorted_units(roots: set[Unit], units: Sequence[Unit], linked: _Linked) -> list[Unit]:
    """Roots in the order in which the units meet them, so that results do not depend on hashing."""
    found: dict[Unit, None] = {}
    for unit in units:
        root = linked.find(unit)[0]
        if root in roots:
            found.setdefault(root)
    return list(found)


def _link(equations: list[dict[Unit, int]], modulus: int) -> tuple[_Linked, list[dict[Unit, int]]]:
    """Use up equations of one or two terms; return the rest, reduced."""
    linked, left = _Linked(), equations
    while True:
        rest: list[dict[Unit, int]] = []
        for equation in left:
            reduced = linked.reduce(equation)
            if modulus:
                reduced = {u: 1 for u, k in reduced.items() if k % modulus}
            values = list(reduced.items())
            if len(values) == 1:
                linked.nil(values[0][0])
            elif len(values) == 2 and abs(values[0][1]) == abs(values[1][1]):
                sign = 1 if modulus else -values[0][1] * values[1][1]
                linked.link(values[0][0], values[1][0], 1 if sign > 0 else -1)
            elif values:
                rest.append(reduced)
        if len(rest) == len(left):
            return linked, rest
        left = rest


def _nullspace(
    equations: list[dict[Unit, int]], wanted: list[Unit], also: set[Unit], modulus: int
) -> tuple[list[dict[Unit, int]], set[Unit]]:
    """A basis of the integer solutions, seen on the wanted units and on some others.

    The second result is those others that the wanted ones do not determine.
    """
    known = {*wanted, *also}
    hidden = [u for u in dict.fromkeys(v for e in equations for v in e) if u not in set(wanted)]
    # Unknowns that no parameter holds are eliminated first, so that parameters stay free.
    order = hidden + wanted
    solved = Echelon({unit: k for k, unit in enumerate(order)}, modulus)
    for equation in equations:
        solved.add(equation)
    free: dict[Unit, dict[Unit, Fraction]] = {
        unit: {unit: Fraction(1)} for unit in order if unit not in solved.rows
    }
    for pivot, row in solved.rows.items():
        for unit, v in row.items():
            if unit != pivot:
                free[unit][pivot] = -v
    found = []
    for vector in free.values():
        scale = math.lcm(*(v.denominator for v in vector.values()))
        seen = {u: int(v * scale) for u, v in vector.items() if u in known}
        seen = {u: v % modulus if modulus else v for u, v in seen.items()}
        found.append({u: v for u, v in seen.items() if v})
    basis = _independent(found, wanted, modulus)
    loose = {
        unit
        for unit in also
        if unit not in hidden or len(_independent(found, [unit, *wanted], modulus)) > len(basis)
    }
    return basis, loose


def _independent(
    basis: list[dict[Unit, int]], wanted: list[Unit], modulus: int
) -> list[dict[Unit, int]]:
    """Drop vectors that say nothing new about the wanted units."""
    order = {unit: k for k, unit in enumerate(wanted)}
    known = Echelon(order, modulus)
    seen = ({u: v for u, v in vector.items() if u in order} for vector in basis)
    return [vector for vector, part in zip(basis, seen, strict=True) if part and known.add(part)]
