"""Cutting: slices turn leaves into sums, and what varies along with a slice into families."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from isthmus.discovery import coordinates, unify
from isthmus.discovery.nodes import Kind, Node, Occurrence, Terms, below, settle, size_of

if TYPE_CHECKING:
    from isthmus.discovery.typing import Typing


def cut(typing: Typing, axes: Sequence[Terms], dim: int, start: int, stop: int) -> list[Terms]:
    """The axes of a tensor after slicing ``dim``; other axes may have become families."""
    axes = [settle(axis) for axis in axes]
    terms = axes[dim]
    if start == 0 and stop == size_of(terms):
        return axes
    place = next(k for k, term in enumerate(terms) if term.node.size > 1)
    inner = size_of(terms[place + 1 :])
    if coordinates.own_family(terms, place):
        # Interleaved parts: as a whole the family has no interval to cut.
        return choose(typing, axes, dim, range(start, stop))
    if start % inner == 0 and stop % inner == 0:
        return cut_term(typing, axes, dim, place, start // inner, stop // inner)
    first = start // inner
    if (stop - 1) // inner == first:
        # Inside one value of the leading factor: take that value, then cut what is left.
        axes = cut_term(typing, axes, dim, place, first, first + 1)
        return cut(typing, axes, dim, start - first * inner, stop - first * inner)
    return choose(typing, axes, dim, range(start, stop))


def choose(typing: Typing, axes: Sequence[Terms], dim: int, places: Sequence[int]) -> list[Terms]:
    """The axes of a tensor after choosing places of ``dim`` that are no interval of its factors."""
    out = [settle(axis) for axis in axes]
    singles = coordinates.spread(typing, axes[dim])
    if singles is None:
        return _give_up(typing, out, dim, len(places))
    sums = {id(node) for term in settle(axes[dim]) for node in below(term.node)}
    for d, axis in enumerate(out):
        for term in axis if d != dim else ():
            owner = term.node.key.find()[0] if term.node.key is not None else None
            if owner is not None and id(owner) in sums:
                # Its key is a sum of other parts from here on: its members become one.
                unify.collapse(typing, term.node)
    out = [settle(axis) for axis in out]
    out[dim] = typing.concatenate([[singles[place]] for place in places])
    typing.pieces.append(out)
    return out


def cut_term(
    typing: Typing, axes: Sequence[Terms], dim: int, place: int, start: int, stop: int
) -> list[Terms]:
    """Slice one factor of one axis."""
    axes = [settle(axis) for axis in axes]
    term = axes[dim][place]
    node = term.node
    if start == 0 and stop == node.size:
        return axes
    if node.kind is Kind.FAMILY:
        unify.collapse(typing, node)
        axes = [settle(axis) for axis in axes]
        if axes[dim][place].node.size != node.size:
            # Its members are products: the slice is one of their first factor, if of any.
            rest = size_of(axes[dim][place:]) // node.size
            if size_of(axes[dim][:place]) > 1:
                return _give_up(typing, axes, dim, size_of(axes[dim]) // node.size * (stop - start))
            return cut(typing, axes, dim, start * rest, stop * rest)
        return cut_term(typing, axes, dim, place, start, stop)
    if node.kind is Kind.LEAF:
        if not node.tensors:
            typing.mixed(axes, [dim])
            axes[dim][place] = typing.constant(stop - start)[0]
            return axes
        _refine(axes, dim, place, start, stop)
    edges = [0]
    for part, _ in node.parts:
        edges.append(edges[-1] + part.size)
    chosen = [
        (k, max(start, low) - low, min(stop, high) - low)
        for k, (low, high) in enumerate(itertools.pairwise(edges))
        if low < stop and start < high
    ]
    pieces = [_piece(typing, axes, dim, place, *choice) for choice in chosen]
    if len(pieces) == 1:
        return pieces[0]
    return _join(typing, axes, dim, place, pieces, [k for k, _, _ in chosen])


def _give_up(typing: Typing, axes: list[Terms], dim: int, size: int) -> list[Terms]:
    """A slice across a product: nothing may act on it."""
    for axis in axes:
        typing.pin(axis)
    typing.mixed(axes, [dim])
    axes[dim] = typing.constant(size)
    return axes


def _refine(axes: list[Terms], dim: int, place: int, start: int, stop: int) -> None:
    """Turn a leaf into a sum at the cut, and the leaves that always go with it into families."""
    node = axes[dim][place].node
    bounds = sorted({0, start, stop, node.size})
    sizes = [high - low for low, high in itertools.pairwise(bounds)]
    here = [(k, j) for k, axis in enumerate(axes) for j, _ in enumerate(axis)]
    others = [axes[k][j].node for k, j in here if (k, j) != (dim, place)]
    node.refine(Kind.SUM, [(_heir(node, size), False) for size in sizes])
    if any(other is node for other in others):
        return
    for other in others:
        if other.kind is Kind.LEAF and other.tensors and other.tensors <= node.tensors:
            other.refine(Kind.FAMILY, [(_heir(other, other.size), False) for _ in sizes], node)


def _heir(node: Node, size: int) -> Node:
    part = Node(size, node.motions)
    part.why = {reason: set(lost) for reason, lost in node.why.items()}
    return part


def _piece(
    typing: Typing, axes: list[Terms], dim: int, place: int, k: int, start: int, stop: int
) -> list[Terms]:
    """Part ``k`` of the sum at this place, narrowed; families over the sum become their member."""
    key = axes[dim][place].node
    out = [[_member(term, key, k) for term in axis] for axis in axes]
    part, turned = key.parts[k]
    term = axes[dim][place]
    out[dim][place] = Occurrence(part, term.dual ^ turned, term.unit.child(k, part))
    before = [settle(axis) for axis in out]
    if (start, stop) == (0, part.size):
        return before
    at = len(settle(out[dim][:place]))
    inner = settle([out[dim][place]])
    if len(inner) == 1:
        return cut_term(typing, before, dim, at, start, stop)
    if at == 0:
        rest = size_of(before[dim]) // part.size
        return cut(typing, before, dim, start * rest, stop * rest)
    return _give_up(typing, before, dim, size_of(before[dim]) // part.size * (stop - start))


def _member(term: Occurrence, key: Node, k: int) -> Occurrence:
    node, twist = term.node.find()
    if node.kind is not Kind.FAMILY or node.key is None or node.key.find()[0] is not key:
        return term
    part, turned = node.parts[k]
    return Occurrence(part, term.dual ^ twist ^ turned, term.unit.child(k, part))


def _join(
    typing: Typing,
    axes: list[Terms],
    dim: int,
    place: int,
    pieces: list[list[Terms]],
    used: list[int],
) -> list[Terms]:
    """Several parts, end to end again; a family over the old sum is one over the new."""
    key = axes[dim][place].node
    tail = [settle(axis) for axis in axes]
    after = len(axes[dim]) - place - 1
    ends = [len(p[dim]) - after for p in pieces]
    joined = typing.concatenate([p[dim][place:end] for p, end in zip(pieces, ends, strict=True)])
    tail[dim][place] = joined[0]
    joined[0].node.tensors |= key.tensors
    for d, axis in enumerate(tail):
        for j, term in enumerate(axis):
            if (d, j) != (dim, place) and term.node.kind is Kind.FAMILY:
                owner = term.node.key
                if owner is not None and owner.find()[0] is key:
                    members = [_member(term, key, k) for k in used]
                    tail[d][j] = unify.family_of(members, joined[0].node)
    return tail
