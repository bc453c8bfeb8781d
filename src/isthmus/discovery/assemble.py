"""Assembly: a typed program becomes a `Symmetry`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from isthmus.algebra.groups import (
    AbstractRotation,
    Character,
    GeneralLinear,
    Group,
    MeanOrthogonal,
    Motion,
    Orthogonal,
    PlaneRotation,
    monomial,
)
from isthmus.algebra.reps import Absorbed, Rep
from isthmus.algebra.spaces import Axis, Choice, Factor, Space, Sum, Term
from isthmus.algebra.symmetry import Symmetry
from isthmus.discovery import families, naming, reasons, units
from isthmus.discovery.interpret import Reading
from isthmus.discovery.naming import Place
from isthmus.discovery.nodes import (
    PLANE,
    SWAPS,
    Kind,
    Node,
    Occurrence,
    Terms,
    Unit,
    below,
    opened,
    settle,
    unit_leaves,
)
from isthmus.discovery.redundant import without_redundant
from isthmus.discovery.rejoin import rejoin
from isthmus.discovery.units import Units


@dataclass
class Leaf:
    """What is decided about one leaf: its space, and how occurrences become characters."""

    space: Space
    mirrored: bool
    signs: tuple[int, ...]

    def character(self, term: Occurrence, dual: bool, solution: Units) -> Character:
        """The character of an occurrence."""
        scales, flips = solution.exponents(term.unit, term.node)
        group = self.space.group
        if isinstance(group, (GeneralLinear, AbstractRotation)):
            return Character(dual ^ self.mirrored)
        turned = tuple(s * k for s, k in zip(self.signs, scales, strict=True))
        return Character(dual ^ self.mirrored, turned, flips)


def assemble(reading: Reading) -> Symmetry:
    """Solve what was read, name the spaces, write down every rep."""
    solution = units.solve(reading.typing, _held(reading))
    rejoin(reading, solution)
    order = list(dict.fromkeys(leaf for _, leaf in _held(reading)))
    places = _places(reading)
    movable = {leaf for leaf in order if leaf.motions or any(solution.families.get(leaf, (0, 0)))}
    known = {leaf for leaf in order if leaf.size > 1 or leaf in movable}
    depends = families.dependencies(reading.typing.tensors, known, reading.typing.selections)
    over = families.orient(depends, [leaf for leaf in order if leaf in known], movable)
    for outer in {o for owners in over.values() for o in owners}:
        outer.motions &= SWAPS
    told = reasons.Told(reading.program)
    decided = _decide(reading, solution, over, places, told)
    spaces = {leaf.space.name: leaf.space for leaf in decided.values()}
    writer = _Writer(decided, solution)
    reps = {
        name: writer.rep(
            tensor.axes,
            reading.offsets.get(name, 0.0),
            tuple(reading.typing.absorbed.get(name, ())),
        )
        for name, tensor in reading.parameters.items()
    }
    whole = Symmetry(
        spaces,
        reps,
        dict(reading.program.aliases),
        tuple(reading.warnings),
        pinned=told.pinned(reading, decided),
    )
    return without_redundant(whole)


def _held(reading: Reading) -> list[tuple[Unit, Node]]:
    """Every leaf of every parameter, with the unit with which it is felt."""
    return [
        (unit, leaf)
        for tensor in reading.parameters.values()
        for axis in tensor.axes
        for term in settle(axis)
        for unit, leaf in unit_leaves(term.unit, term.node)
    ]


Places: TypeAlias = "dict[Node, list[Place]]"


def _places(reading: Reading) -> Places:
    """Where each leaf occurs in parameters: name, dimension, occurrence, dual."""
    found: Places = {}
    for name, tensor in reading.parameters.items():
        for d, axis in enumerate(tensor.axes):
            for term in settle(axis):
                for leaf in opened(term):
                    found.setdefault(leaf.node, []).append((name, d, leaf, leaf.dual))
    return found


def _decide(
    reading: Reading,
    solution: Units,
    over: dict[Node, list[Node]],
    places: Places,
    told: reasons.Told,
) -> dict[Node, Leaf]:
    """A named space with its group for every leaf on which something acts, outer ones first."""
    names = naming.names(places, over)
    decided: dict[Node, Leaf] = {}
    keys = {key for owners in over.values() for key in owners}
    for leaf in sorted(over, key=lambda n: len(over[n])):
        mirrored = places[leaf][0][3]
        group = _group(leaf, solution, places[leaf], mirrored)
        if not group.motions and leaf not in keys:
            continue
        first = places[leaf]
        signs = tuple(
            next((1 if e[k] > 0 else -1 for e in _scales(first, solution) if e[k]), 1)
            for k in range(solution.families.get(leaf, (0, 0))[0])
        )
        owners = tuple(decided[o].space.name for o in over[leaf] if o in decided)
        space = Space(names[leaf], leaf.size, group, owners, told.reasons(leaf))
        decided[leaf] = Leaf(space, mirrored, signs)
    return decided


def _scales(places: Sequence[Place], solution: Units) -> list[tuple[int, ...]]:
    return [solution.exponents(t.unit, t.node)[0] for _, _, t, _ in places]


def _group(
    leaf: Node,
    solution: Units,
    places: Sequence[Place],
    mirrored: bool,
) -> Group:
    """The group that the motions and the units of a leaf leave."""
    scales, flips = solution.families.get(leaf, (0, 0))
    felt = [(solution.exponents(t.unit, leaf), dual ^ mirrored) for _, _, t, dual in places]
    signed = flips == 1 and all(f == (1,) for (_, f), _ in felt)
    if leaf.size > 1 and signed and Motion.SHEAR in leaf.motions and scales == 1:
        lead = felt[0][0][0][0]
        if all(s == (-lead if dual else lead,) for (s, _), dual in felt) and abs(lead) == 1:
            return GeneralLinear(leaf.size)
    if leaf.size > 1 and Motion.TURN in leaf.motions:
        if leaf.keeps_mean and not any(any(s) or any(f) for (s, f), _ in felt):
            return MeanOrthogonal(leaf.size)
        if leaf.motions == PLANE:
            return PlaneRotation()
        if signed and not leaf.keeps_mean:
            return Orthogonal(leaf.size)
    swaps = leaf.size > 1 and Motion.SWAP in leaf.motions
    return monomial(leaf.size, swaps=swaps, flips=flips, scales=scales)


class _Writer:
    """Writes the reps of parameters."""

    def __init__(self, decided: dict[Node, Leaf], solution: Units) -> None:
        self.decided, self.solution = decided, solution
        self.labels: dict[tuple[int, int], str] = {}
        self.inside: list[set[int]] = []
        self.at = 0

    def rep(self, axes: Sequence[Terms], offset: float, absorbed: tuple[Absorbed, ...]) -> Rep:
        """The rep of one parameter."""
        self.labels = {}
        self.inside = [{id(n) for t in settle(axis) for n in below(t.node)} for axis in axes]
        needed = self._keys_elsewhere(axes)
        self.labels = {key: chr(ord("a") + k) for k, key in enumerate(needed)}
        written: list[Axis] = []
        for self.at, axis in enumerate(axes):
            written.append(self._axis(settle(axis), {}))
        rep = Rep.of(written)
        return Rep(rep.axes, offset if rep.spaces else 0.0, absorbed)

    def _keys_elsewhere(self, axes: Sequence[Terms]) -> list[tuple[int, int]]:
        """Sums with families that do not stand behind them: key and dimension of each."""
        found: dict[tuple[int, int], None] = {}
        for self.at, axis in enumerate(axes):
            before: set[int] = set()
            for term in settle(axis):
                for family in _family_terms(term):
                    key = id(family.node.key.find()[0]) if family.node.key else 0
                    if key not in before and self._differs(family):
                        found.setdefault((key, self._home(key)))
                before.add(id(term.node))
        return list(found)

    def _home(self, key: int) -> int:
        """The dimension of the sum that a family here goes with: this one, if it has it."""
        homes = [self.at, *range(len(self.inside))]
        return next((d for d in homes if key in self.inside[d]), self.at)

    def _differs(self, term: Occurrence) -> bool:
        parts = [
            self._axis(settle([Occurrence(p, t, term.unit.child(k, p))]), {})
            for k, (p, t) in enumerate(term.node.parts)
        ]
        return any(part != parts[0] for part in parts)

    def _axis(self, terms: Terms, chosen: dict[int, int]) -> Axis:
        out: list[Term] = []
        for k, term in enumerate(terms):
            node = term.node
            if node.kind is Kind.LEAF:
                out.append(self._factor(term))
            elif node.kind is Kind.FAMILY:
                out += self._family(term, chosen)
            else:
                rest = terms[k + 1 :]
                if any(self._keyed(t, node) for t in rest):
                    out.append(self._sum(term, rest, chosen))
                    return _merged(out)
                out.append(self._sum(term, [], chosen))
        return _merged(out)

    def _keyed(self, term: Occurrence, key: Node) -> bool:
        return any(n.key is not None and n.key.find()[0] is key for n in _families(term.node))

    def _sum(self, term: Occurrence, rest: Terms, chosen: dict[int, int]) -> Term:
        node = term.node
        parts = []
        for k, (part, turned) in enumerate(node.parts):
            inner = Occurrence(part, term.dual ^ turned, term.unit.child(k, part))
            parts.append(self._axis(settle([inner, *rest]), {**chosen, id(node): k}))
        label = self.labels.get((id(node), self.at), "")
        if not label:
            parts = [p for part in parts for p in _flattened(part)] if not node.places else parts
            if all(len(p) == 1 and isinstance(p[0], Factor) and p[0].space is None for p in parts):
                return Factor(sum(p[0].size for p in parts))
        return Sum(tuple(parts), label, node.places)

    def _family(self, term: Occurrence, chosen: dict[int, int]) -> Axis:
        node = term.node
        key = node.key.find()[0] if node.key else node
        parts = [
            self._axis(settle([Occurrence(p, term.dual ^ t, term.unit.child(k, p))]), chosen)
            for k, (p, t) in enumerate(node.parts)
        ]
        if id(key) in chosen:
            return parts[chosen[id(key)]]
        if all(part == parts[0] for part in parts):
            return parts[0]
        return (Choice(tuple(parts), self.labels.get((id(key), self._home(id(key))), "a")),)

    def _factor(self, term: Occurrence) -> Factor:
        leaf = self.decided.get(term.node)
        if leaf is None:
            return Factor(term.node.size)
        character = leaf.character(term, term.dual, self.solution)
        return Factor(term.node.size, leaf.space.name, character)


def _family_terms(term: Occurrence) -> list[Occurrence]:
    """The families of a term, each with the unit that it has there."""
    node = term.node
    found = [term] if node.kind is Kind.FAMILY and not node.collapsed else []
    for k, (part, turned) in enumerate(node.parts):
        inner = Occurrence(part, term.dual ^ turned, term.unit.child(k, part))
        found += [family for t in settle([inner]) for family in _family_terms(t)]
    return found


def _families(node: Node) -> list[Node]:
    node, _ = node.find()
    found = [node] if node.kind is Kind.FAMILY and not node.collapsed else []
    return found + [n for part, _ in node.parts for n in _families(part)]


def _flattened(axis: Axis) -> list[Axis]:
    """A sum that stands alone as its parts."""
    if len(axis) == 1 and isinstance(axis[0], Sum) and not (axis[0].label or axis[0].places):
        return list(axis[0].parts)
    return [axis]


def _merged(terms: Sequence[Term]) -> Axis:
    """Neighbouring fixed factors as one."""
    out: list[Term] = []
    for term in terms:
        last = out[-1] if out else None
        plain = isinstance(term, Factor) and term.space is None
        if plain and isinstance(last, Factor) and last.space is None:
            out[-1] = Factor(last.size * term.size)
        elif not (plain and term.size == 1 and len(terms) > 1):
            out.append(term)
    return tuple(out) if out else (Factor(1),)
