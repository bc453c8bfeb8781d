"""Coordinates one by one: sets of indices that no interval and no product describes.

A channel shuffle, a slice with a step, half of an interleaving: where a leaf cannot be cut in
intervals it becomes a sum of single coordinates. Those that always go together are one space again
at the end (`isthmus.discovery.rejoin`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.discovery.nodes import (
    NONE,
    ZERO,
    Kind,
    Node,
    Occurrence,
    Terms,
    settle,
    size_of,
)

if TYPE_CHECKING:
    from isthmus.discovery.typing import Typing

LIMIT = 4096
"""The largest axis that is taken apart."""


def spread(typing: Typing, axis: Terms) -> list[Occurrence] | None:
    """Every coordinate of an axis as one occurrence of size one, in order."""
    if size_of(axis) > LIMIT:
        return None
    out: list[Occurrence] = []
    for place in range(size_of(axis)):
        factors = _factors(axis, place, {})
        single = None if factors is None else _only(typing, factors)
        if single is None:
            return None
        out.append(single)
    # As it was, before any were chosen: what occurs here twice cannot be told from its copy.
    typing.pieces.append([typing.concatenate([[single] for single in out])])
    return out


def _only(typing: Typing, factors: Terms) -> Occurrence | None:
    """The one factor of a coordinate on which something may act."""
    moving = [t for t in factors if t.unit is not ZERO or t.node.find()[0].motions]
    if len(moving) > 1:
        # Copies have no unit of their own: they give way.
        for term in moving:
            if term.unit is ZERO:
                typing.bound(term.node, NONE)
        moving = [t for t in moving if t.unit is not ZERO]
    if len(moving) > 1:
        return None
    return moving[0] if moving else Occurrence(Node(1, NONE), False, ZERO)


def _factors(axis: Terms, place: int, chosen: dict[int, int]) -> Terms | None:
    """The factors of one coordinate of a product, each of size one."""
    terms = settle(axis)
    at: list[int] = []
    for term in reversed(terms):
        at.insert(0, place % term.node.size)
        place //= term.node.size
    known = dict(chosen)
    for term, k in zip(terms, at, strict=True):
        if term.node.kind is Kind.SUM:
            known[id(term.node)] = _part(term.node, k)[0]
    out: Terms = []
    for term, k in zip(terms, at, strict=True):
        more = _inside(term, k, known)
        if more is None:
            return None
        out += more
    return out


def _inside(term: Occurrence, place: int, chosen: dict[int, int]) -> Terms | None:
    node = term.node
    if node.kind is Kind.LEAF:
        if node.size == 1:
            return [term]
        if not node.motions and term.unit is ZERO:
            return []
        heirs = [Node(1, node.motions) for _ in range(node.size)]
        for heir in heirs:
            heir.why = {reason: set(lost) for reason, lost in node.why.items()}
        node.refine(Kind.SUM, [(heir, False) for heir in heirs])
    if node.kind is Kind.SUM:
        k, inner = _part(node, place)
    else:
        owner = node.key.find()[0] if node.key is not None else node
        if id(owner) not in chosen:
            return None
        k, inner = chosen[id(owner)], place
    part, turned = node.parts[k]
    member = Occurrence(part, term.dual ^ turned, term.unit.child(k, part))
    return _factors([member], inner, chosen)


def _part(node: Node, place: int) -> tuple[int, int]:
    """Which part of a sum a place lies in, and where in it."""
    for k, (part, _) in enumerate(node.parts):
        if place < part.size:
            return k, place
        place -= part.size
    raise IndexError(place)


def own_family(axis: Terms, place: int) -> bool:
    """Whether a factor is a family whose key is another factor of the same axis."""
    return _owner(settle(axis), place) is not None


def _owner(terms: Terms, place: int) -> int | None:
    """Where the key of a family stands in its own axis."""
    node = terms[place].node
    if node.kind is not Kind.FAMILY or node.key is None:
        return None
    owner = node.key.find()[0]
    return next((k for k, term in enumerate(terms) if term.node is owner), None)


def ordered(typing: Typing, axis: Terms) -> Terms:
    """The axis; coordinate by coordinate where a family stands before its key (interleaved)."""
    terms = settle(axis)
    owners = [(k, _owner(terms, k)) for k in range(len(terms))]
    if not any(owner is not None and owner > k for k, owner in owners):
        return terms
    singles = spread(typing, terms)
    return terms if singles is None else typing.concatenate([[single] for single in singles])
