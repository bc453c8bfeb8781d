"""Unification with refinement: two axes become one, and what is cut is cut everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from isthmus.algebra.groups import Motion
from isthmus.discovery import coordinates
from isthmus.discovery.nodes import (
    ALL,
    NONE,
    ZERO,
    Kind,
    Node,
    Occurrence,
    Terms,
    Unit,
    below,
    settle,
)

if TYPE_CHECKING:
    from isthmus.discovery.typing import Typing

Pairs: TypeAlias = "list[tuple[Occurrence, Occurrence]]"


def match(typing: Typing, a: Terms, b: Terms, *, dual: bool) -> Pairs:
    """Make two axes the same (or each other's dual); returns the terms that now correspond."""
    left, right = settle(a), settle(b)
    if [t.node for t in left] != [t.node for t in right]:
        left, right = coordinates.ordered(typing, left), coordinates.ordered(typing, right)
    pairs: Pairs = []
    while left and right:
        x, y = left.pop(0), right.pop(0)
        if x.node.size == y.node.size:
            merge(typing, x, y, dual=dual)
            pairs.append((x, y))
            continue
        if x.node.size == 1 or y.node.size == 1:
            small, big, rest = (x, y, right) if x.node.size == 1 else (y, x, left)
            typing.pin([small])
            rest.insert(0, big)
            continue
        big, small, rest = (y, x, right) if x.node.size < y.node.size else (x, y, left)
        pieces = divide(typing, big, small.node.size)
        if pieces is None:
            for term in (x, y, *left, *right):
                typing.pin([term])
            return pairs
        rest[:0] = pieces
        (left if rest is right else right).insert(0, small)
    typing.pin([*left, *right])
    return pairs


def merge(typing: Typing, x: Occurrence, y: Occurrence, *, dual: bool) -> None:
    """Make two nodes of one size the same set of coordinates."""
    a, turn_a = root(x.node)
    b, turn_b = root(y.node)
    twist = x.dual ^ turn_a ^ y.dual ^ turn_b ^ dual
    if a is b:
        if twist:
            # A space tied to its own dual keeps only what is its own inverse transpose.
            typing.bound(a, ALL - {Motion.SHEAR})
        return
    if a.kind is not Kind.LEAF and b.kind is Kind.LEAF:
        a, b = b, a
    if a.kind is Kind.LEAF:
        _forward(typing, a, b, twist)
        return
    _merge_refined(typing, a, b, twist)


def _forward(typing: Typing, leaf: Node, node: Node, twist: bool) -> None:
    """A leaf becomes another node."""
    inside = any(inner is leaf for inner in below(node))
    if node.kind is Kind.FAMILY and (inside or not _indexed(leaf, node.key)):
        collapse(typing, node)
        merge(typing, _bare(leaf, False), _bare(node, twist), dual=False)
        return
    if inside:
        # A space cannot be a proper part of itself.
        typing.bound(node, NONE)
        freeze(typing, node)
        return
    _note_meeting(typing, leaf, node)
    now = typing.reason
    typing.reason = now if not leaf.why else ""
    typing.bound(node, leaf.motions)
    typing.reason = now
    if leaf.keeps_mean:
        typing.keep_mean(node)
    for inner in below(node):
        inner.tensors |= leaf.tensors
        for reason, lost in leaf.why.items():
            inner.because(reason, lost)
    node.hint = node.hint or leaf.hint
    if node is not leaf:
        leaf.forward, leaf.twist = node, twist


def _note_meeting(typing: Typing, leaf: Node, node: Node) -> None:
    """Where something free meets what is given, the operator is noted beside what is given."""
    if leaf.given:
        for inner in below(node):
            if inner.kind is Kind.LEAF and inner.motions:
                inner.because(typing.reason, Motion)
    elif node.given and leaf.motions:
        node.because(typing.reason, Motion)
        node.given = False  # the first is enough


def root(node: Node) -> tuple[Node, bool]:
    """The node that stands for this one; a collapsed family is its first member."""
    node, twist = node.find()
    while node.kind is Kind.FAMILY and node.collapsed:
        part, turned = node.parts[0]
        node, more = part.find()
        twist ^= turned ^ more
    return node, twist


def _indexed(node: Node, key: Node | None) -> bool:
    """Whether the key occurs in every tensor in which the node occurs."""
    return key is not None and node.tensors <= key.find()[0].tensors


def collapse(typing: Typing, family: Node) -> None:
    """Without its key a family is one space: its members are made the same."""
    if family.collapsed:
        return
    family.collapsed = True
    (first, turned), *others = family.parts
    for other, twist in others:
        one, two = Unit(first), Unit(other)
        merge(
            typing,
            Occurrence(first, turned, one),
            Occurrence(other, twist, two),
            dual=False,
        )
    typing.bound(first, family.motions)


def _merge_refined(typing: Typing, a: Node, b: Node, twist: bool) -> None:
    if a.kind is b.kind is Kind.SUM:
        _merge_sums(typing, a, b, twist)
        return
    if a.kind is b.kind is Kind.FAMILY and a.key and b.key and a.key.find()[0] is b.key.find()[0]:
        for (x, s), (y, t) in zip(a.parts, b.parts, strict=True):
            merge(typing, _bare(x, s), _bare(y, t), dual=twist)
        return
    if Kind.FAMILY in (a.kind, b.kind):
        for node in (a, b):
            if node.kind is Kind.FAMILY:
                collapse(typing, node)
        merge(typing, _bare(a, False), _bare(b, twist), dual=False)
        return
    if Kind.PRODUCT in (a.kind, b.kind):
        # Parts of sums that were divided: factor by factor.
        match(typing, [_bare(a, False)], [_bare(b, twist)], dual=False)
        if _leaves(a) == _leaves(b):
            return
    for node in (a, b):  # nothing can act on either
        typing.bound(node, NONE)
        freeze(typing, node)


def _leaves(node: Node) -> list[Node]:
    return [inner for inner in below(node) if inner.kind is Kind.LEAF]


def freeze(typing: Typing, node: Node) -> None:
    """No motion, no scale and no sign on anything below a node."""
    for inner in below(node):
        if inner.kind is Kind.LEAF:
            typing.frozen.append(inner)


def _bare(node: Node, dual: bool) -> Occurrence:
    return Occurrence(node, dual, Unit(node))


def _merge_sums(typing: Typing, a: Node, b: Node, twist: bool) -> None:
    left, right = list(a.parts), list(b.parts)
    while left and right:
        (x, s), (y, t) = left.pop(0), right.pop(0)
        if x.size == y.size:
            merge(typing, _bare(x, s), _bare(y, t), dual=twist)
            continue
        small, big = (x, y) if x.size < y.size else (y, x)
        rest, turned = (right, t) if x.size < y.size else (left, s)
        pieces = sever(typing, big, small.size)
        if pieces is None:
            for node in (a, b):
                typing.bound(node, NONE)
                freeze(typing, node)
            return
        rest[:0] = [(piece, inner ^ turned) for piece, inner in pieces]
        (left if rest is right else right).insert(0, (x, s) if small is x else (y, t))


def sever(typing: Typing, node: Node, at: int) -> list[tuple[Node, bool]] | None:
    """Cut a node after ``at`` coordinates, as a sum; None where its structure forbids."""
    root, twist = node.find()
    if root.kind is Kind.LEAF:
        parts = [Node(at, root.motions), Node(root.size - at, root.motions)]
        root.refine(Kind.SUM, [(part, False) for part in parts])
    if root.kind is not Kind.SUM:
        return None
    return [(part, turned ^ twist) for part, turned in root.parts]


def divide(typing: Typing, term: Occurrence, leading: int) -> Terms | None:
    """The term as a product whose first factors have ``leading`` coordinates; None if it cannot."""
    node, twist = term.node.find()
    dual = term.dual ^ twist
    if node.size % leading or leading == 1:
        return None
    if node.kind is Kind.LEAF:
        parts = [Node(leading, node.motions), Node(node.size // leading, node.motions)]
        for part in parts:
            part.why = {reason: set(lost) for reason, lost in node.why.items()}
        node.refine(Kind.PRODUCT, [(part, False) for part in parts])
        return settle([term])
    if node.kind is Kind.FAMILY:
        return _divide_family(typing, term, node, dual, leading)
    if node.kind is Kind.SUM and len(node.parts) == leading:
        sizes = {part.size for part, _ in node.parts}
        if len(sizes) == 1:
            return _sum_as_product(term, node, dual)
    if node.kind is Kind.SUM:
        return _divide_sum(typing, term, leading)
    return None


def _sum_as_product(term: Occurrence, node: Node, dual: bool) -> Terms:
    """Equal parts laid end to end are a fixed axis of parts, and a family over it."""
    key = Node(len(node.parts), NONE)
    key.refine(Kind.SUM, [(Node(1, NONE), False) for _ in node.parts])
    key.tensors |= node.tensors
    family = Node(node.parts[0][0].size)
    family.tensors |= node.tensors
    family.refine(Kind.FAMILY, node.parts, key)
    unit = ZERO
    if term.unit is not ZERO:
        children = (term.unit.child(k, part) for k, (part, _) in enumerate(node.parts))
        unit = Unit(family).adopt(children)
    return [Occurrence(key, False, ZERO), Occurrence(family, dual, unit)]


def _divide_sum(typing: Typing, term: Occurrence, leading: int) -> Terms | None:
    """Any other sum as a fixed axis of rows, and a family over it with the rows' coordinates."""
    singles = coordinates.spread(typing, [term])
    if singles is None:
        return None
    inner = len(singles) // leading
    rows = [singles[k * inner : (k + 1) * inner] for k in range(leading)]
    key = Node(leading, NONE)
    key.refine(Kind.SUM, [(Node(1, NONE), False) for _ in rows])
    key.tensors |= term.node.find()[0].tensors
    members = [typing.concatenate([[single] for single in row])[0] for row in rows]
    for member in members:
        member.node.tensors |= key.tensors
    return [Occurrence(key, False, ZERO), family_of(members, key)]


def _divide_family(
    typing: Typing, term: Occurrence, family: Node, dual: bool, leading: int
) -> Terms | None:
    """Divide every member, and make a family of the first and of the second factors."""
    columns: list[list[Occurrence]] = [[], []]
    for k, (part, turned) in enumerate(family.parts):
        member = Occurrence(part, dual ^ turned, term.unit.child(k, part))
        opened = settle([member])
        pieces = divide(typing, opened[0], leading) if len(opened) == 1 else opened
        if pieces is None or len(pieces) != 2 or pieces[0].node.size != leading:
            return None
        for column, piece in zip(columns, pieces, strict=True):
            column.append(piece)
    return [family_of(column, family.key) for column in columns]


def family_of(members: Sequence[Occurrence], key: Node | None) -> Occurrence:
    """One occurrence that stands for the members, by the parts of the key."""
    node = Node(members[0].node.size)
    node.tensors = set(members[0].node.find()[0].tensors)
    node.refine(Kind.FAMILY, [(m.node, m.dual) for m in members], key)
    if all(m.unit is ZERO for m in members):
        return Occurrence(node, False, ZERO)
    return Occurrence(node, False, Unit(node).adopt(m.unit for m in members))
