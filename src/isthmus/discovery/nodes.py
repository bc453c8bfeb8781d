"""Nodes, units and terms: the unknowns of type inference.

A *node* is a set of coordinates. It starts as a leaf and is refined as the program is read: a
view makes it a product, a slice a sum, and whatever varies along with a slice a family. A *term*
is one occurrence of a node in a tensor; its *unit* is the unknown log-scale and sign that this
occurrence carries, per coordinate.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from isthmus.algebra.groups import Motion

ALL = frozenset({Motion.SWAP, Motion.TURN, Motion.SHEAR})
SWAPS = frozenset({Motion.SWAP})
TURNS = frozenset({Motion.SWAP, Motion.TURN})
PLANE = frozenset({Motion.TURN})
NONE = frozenset[Motion]()


class Kind(Enum):
    """How a node is refined."""

    LEAF = "leaf"
    PRODUCT = "product"
    SUM = "sum"
    FAMILY = "family"


class Node:
    """A set of coordinates, in a union-find with refinement.

    ``motions`` are the permutations, rotations and shears still allowed; flips and stretches are
    the business of units. ``keeps_mean``: rotations must keep the vector of ones. ``parts`` are
    the refined nodes with their orientation. ``tensors`` are the numbers of all tensors in which
    the node occurs. A sum whose parts do not follow one another has ``places``: coordinate k of the
    parts laid end to end stands at ``places[k]``. ``given`` nodes are no unknowns: axes of inputs
    and constants.
    """

    __slots__ = (
        "collapsed",
        "forward",
        "given",
        "hint",
        "keeps_mean",
        "key",
        "kind",
        "motions",
        "parts",
        "places",
        "size",
        "tensors",
        "twist",
        "why",
    )

    def __init__(self, size: int, motions: frozenset[Motion] = ALL) -> None:
        self.size = size
        self.motions = motions
        self.kind = Kind.LEAF
        self.parts: tuple[tuple[Node, bool], ...] = ()
        self.places: tuple[int, ...] = ()
        self.forward: Node | None = None
        self.twist = False
        self.key: Node | None = None
        self.collapsed = False
        self.keeps_mean = False
        self.tensors: set[int] = set()
        self.why: dict[str, set[Motion]] = {}
        self.hint = ""
        self.given = False

    def find(self) -> tuple[Node, bool]:
        """The node that stands for this one, and whether its dual is meant."""
        node, twist = self, False
        while node.forward is not None:
            twist ^= node.twist
            node = node.forward
        if node is not self:
            self.forward, self.twist = node, twist
        return node, twist

    def refine(
        self, kind: Kind, parts: Iterable[tuple[Node, bool]], key: Node | None = None
    ) -> None:
        """Turn a leaf into a product, sum or family."""
        self.kind, self.parts, self.key = kind, tuple(parts), key
        for part, _ in self.parts:
            root, _ = part.find()
            if self.keeps_mean:  # of the whole, not of each part
                root.motions &= SWAPS
            root.tensors |= self.tensors
            if not root.hint:
                root.hint = self.hint

    def because(self, reason: str, lost: Iterable[Motion]) -> None:
        """Note who forbade what; for explanations."""
        if reason and lost:
            self.why.setdefault(reason, set()).update(lost)

    def __repr__(self) -> str:
        return f"<{self.kind.value} {self.size} {id(self) & 0xFFFF:x}>"


def given(size: int, reason: str) -> Node:
    """A node that is no unknown: nothing acts on it, because of what it is."""
    node = Node(size, NONE)
    node.given = True
    node.because(reason, Motion)
    return node


class Unit:
    """An unknown log-scale and sign, one per coordinate of its node; `ZERO` is the known zero."""

    __slots__ = ("children", "node", "parents")

    def __init__(self, node: Node | None, parent: Unit | None = None) -> None:
        self.node = node
        self.parents = [parent] if parent is not None else []
        self.children: dict[int, Unit] = {}

    def adopt(self, children: Iterable[Unit]) -> Unit:
        """Take existing units as those of the parts: the unit of a product, sum or family."""
        self.children = dict(enumerate(children))
        for child in self.children.values():
            if child.node is not None:
                child.parents.append(self)
        return self

    def child(self, index: int, node: Node) -> Unit:
        """The unit of one part of a refined node."""
        if self.node is None:
            return self
        if index not in self.children:
            self.children[index] = Unit(node, self)
        return self.children[index]


ZERO = Unit(None)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One occurrence of a node in an axis; ``dual``: acted on by the inverse transpose."""

    node: Node
    dual: bool
    unit: Unit


Terms: TypeAlias = "list[Occurrence]"


def settle(terms: Iterable[Occurrence]) -> Terms:
    """The same axis with forwarded nodes replaced and products opened."""
    out: Terms = []
    for term in terms:
        node, twist = term.node.find()
        dual = term.dual ^ twist
        if node.collapsed:
            part, turned = node.parts[0]
            out += settle([Occurrence(part, dual ^ turned, term.unit.child(0, part))])
            continue
        if node.kind is not Kind.PRODUCT:
            out.append(Occurrence(node, dual, term.unit))
            continue
        parts = (
            Occurrence(part, dual ^ turned, term.unit.child(k, part))
            for k, (part, turned) in enumerate(node.parts)
        )
        out += settle(parts)
    return out


def size_of(terms: Iterable[Occurrence]) -> int:
    """The number of coordinates of an axis."""
    return math.prod(term.node.size for term in terms)


def below(node: Node) -> Iterator[Node]:
    """The node and everything it is refined into."""
    node, _ = node.find()
    yield node
    for part, _ in node.parts:
        yield from below(part)


def opened(term: Occurrence) -> Terms:
    """The occurrences of leaves that an occurrence is made of."""
    if term.node.kind is Kind.LEAF:
        return [term]
    out = []
    for k, (part, turned) in enumerate(term.node.parts):
        inner = Occurrence(part, term.dual ^ turned, term.unit.child(k, part))
        out += [leaf for t in settle([inner]) for leaf in opened(t)]
    return out


def unit_leaves(unit: Unit, node: Node) -> list[tuple[Unit, Node]]:
    """The units of the leaves of a node, in order, with the leaves."""
    node, _ = node.find()
    if node.kind is Kind.LEAF:
        return [(unit, node)]
    parts = node.parts[:1] if node.collapsed else node.parts
    found = []
    for k, (part, _) in enumerate(parts):
        found += unit_leaves(unit.child(k, part), part)
    return found
