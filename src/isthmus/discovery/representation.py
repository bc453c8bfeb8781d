"""Representation: how every parameter moves, from the types of its axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from isthmus.algebra.groups import AbstractRotation, Character, GeneralLinear
from isthmus.algebra.reps import Absorbed, Rep
from isthmus.algebra.spaces import Axis, Choice, Factor, Space, Sum, Term
from isthmus.discovery.nodes import Kind, Node, Occurrence, Terms, below, settle
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


class Writer:
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
