"""Rejoining: single coordinates that always go together are one space again.

Two coordinates may be exchanged where they are parts of the same sums, once in an axis and nowhere
else, no operator forbade permutations of either, and every parameter feels the units of both alike.
Then exchanging the two in every tensor commutes with every operator: slices, views and
concatenations because all that hold the one hold the other, all others by their rules. Once in an
axis: of ``cat([x, tanh(x)])`` a set of indices may take the one of x and the other of its tanh.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from isthmus.algebra.groups import Motion
from isthmus.discovery import unify
from isthmus.discovery.interpret import Reading
from isthmus.discovery.nodes import Kind, Node, Terms, Unit, settle
from isthmus.discovery.units import Units

Sign: TypeAlias = "tuple[int, ...]"


@dataclass
class _Census:
    """Where every single coordinate occurs.

    ``sums`` holds, for each leaf of size one, the sums of which it is a part, as often as it is;
    ``alone`` the leaves that occur elsewhere; ``felt`` how each parameter feels them.
    """

    solution: Units
    sums: dict[Node, list[tuple[int, bool]]] = field(default_factory=dict)
    alone: set[Node] = field(default_factory=set)
    felt: dict[Node, list[tuple[int, bool, Sign, Sign]]] = field(default_factory=dict)
    order: dict[Node, int] = field(default_factory=dict)
    seen: dict[int, Node] = field(default_factory=dict)
    units: dict[int, list[Unit]] = field(default_factory=dict)

    def enter(self, axes: Iterable[Terms]) -> None:
        """Take note of all sums in a tensor."""
        for axis in axes:
            terms = settle(axis)
            for term in terms:
                self._node(term.node, direct=True)
            count = Counter(leaf for term in terms for leaf in _leaves(term.node))
            self.alone |= {leaf for leaf, times in count.items() if times > 1}

    def _node(self, node: Node, *, direct: bool) -> None:
        node, _ = unify.root(node)
        if node.kind is Kind.LEAF:
            if direct:
                self.alone.add(node)
            return
        if id(node) in self.seen:
            return
        self.seen[id(node)] = node
        for part, twist in node.parts:
            inner, more = unify.root(part)
            if node.kind is Kind.SUM and inner.kind is Kind.LEAF:
                self.sums.setdefault(inner, []).append((id(node), twist ^ more))
                continue
            self._node(part, direct=True)
        if node.kind is Kind.FAMILY and node.key is not None:
            # What a family goes with is told apart by it.
            owner, _ = unify.root(node.key)
            self._node(owner, direct=True)
            self.alone |= {unify.root(part)[0] for part, _ in owner.parts}

    def feel(self, axes: Iterable[Terms]) -> None:
        """Take note of the units with which a parameter feels its coordinates."""
        for axis in axes:
            for term in settle(axis):
                self._felt(term.unit, term.node, term.dual)

    def _felt(self, unit: Unit, node: Node, dual: bool) -> None:
        if node.kind is Kind.LEAF:
            return
        if node.kind is Kind.SUM and unit.node is not None:
            self.units.setdefault(id(node), []).append(unit)
        for k, (part, twist) in enumerate(node.parts):
            inner, more = unify.root(part)
            child, turned = unit.child(k, part), dual ^ twist ^ more
            if node.kind is Kind.SUM and inner.kind is Kind.LEAF:
                scales, flips = self.solution.exponents(child, inner)
                self.felt.setdefault(inner, []).append((id(node), turned, scales, flips))
                self.order.setdefault(inner, len(self.order))
            else:
                self._felt(child, inner, turned)


def _leaves(node: Node) -> Iterator[Node]:
    """The leaves of one coordinate below a node, as often as they occur."""
    node, _ = unify.root(node)
    if node.kind is Kind.LEAF:
        if node.size == 1:
            yield node
        return
    for part, _ in node.parts:
        yield from _leaves(part)


def rejoin(reading: Reading, solution: Units) -> None:
    """Make one leaf of all single coordinates that may be exchanged, in every sum."""
    typing = reading.typing
    census = _Census(solution)
    # What `loosen` entered are no tensors of the program.
    real = (tensor.axes for tensor in typing.tensors if id(tensor) not in typing.loosened)
    for axes in (*real, *typing.pieces):
        census.enter(axes)
    for tensor in reading.parameters.values():
        census.feel(tensor.axes)
    joined: dict[Node, Node] = {}
    members: dict[Node, list[Node]] = {}
    for alike in _classes(census):
        leaf = _one_leaf(alike, solution)
        joined |= dict.fromkeys(alike, leaf)
        members[leaf] = alike
    for key, node in census.seen.items():
        if node.kind is Kind.SUM and any(unify.root(p)[0] in joined for p, _ in node.parts):
            _rewrite(node, joined, members, census.units.get(key, []))


def _classes(census: _Census) -> list[list[Node]]:
    """The sets of leaves that may be exchanged, each in the order of the parameters."""
    found: dict[object, list[Node]] = {}
    for leaf in census.order:
        homes = census.sums[leaf]
        single = leaf.size == 1 and Motion.SWAP in leaf.motions and leaf not in census.alone
        if single and len({home for home, _ in homes}) == len(homes):
            units = census.solution.families.get(leaf, (0, 0))
            profile = (frozenset(homes), leaf.motions, units, tuple(census.felt[leaf]))
            found.setdefault(profile, []).append(leaf)
    return [leaves for leaves in found.values() if len(leaves) > 1]


def _one_leaf(alike: Sequence[Node], solution: Units) -> Node:
    leaf = Node(len(alike), alike[0].motions)
    leaf.hint = alike[0].hint
    for single in alike:
        leaf.tensors |= single.tensors
        for reason, lost in single.why.items():
            leaf.because(reason, lost)
    solution.families[leaf] = solution.families.get(alike[0], (0, 0))
    return leaf


def _rewrite(
    node: Node, joined: dict[Node, Node], members: dict[Node, list[Node]], units: Sequence[Unit]
) -> None:
    """A sum with the joined leaves for parts, and the places at which their coordinates stand."""
    begin, starts, first = 0, {}, {}
    parts: list[tuple[Node, bool]] = []
    kept: list[int] = []
    for k, (part, twist) in enumerate(node.parts):
        inner, more = unify.root(part)
        starts[inner] = begin
        begin += part.size
        whole = joined.get(inner)
        if whole is None or whole not in first:
            first[whole or inner] = k
            parts.append((whole, twist ^ more) if whole is not None else (part, twist))
            kept.append(k)
    places: list[int] = []
    edges = [0]
    for part, _ in node.parts:
        edges.append(edges[-1] + part.size)
    for (part, _), k in zip(parts, kept, strict=True):
        if part in members:
            places += [starts[single] for single in members[part]]
        else:
            places += range(edges[k], edges[k + 1])
    for unit in {id(u): u for u in units}.values():
        unit.children = {at: unit.children[k] for at, k in enumerate(kept) if k in unit.children}
    node.parts = tuple(parts)
    node.places = () if places == list(range(len(places))) else tuple(places)
