"""Indices: integers that name coordinates of a space, counts of them, and what they select.

What `topk`, `sort` and `argmax` return is an *index into a space*: when the coordinates of the
space are permuted, the integers are other ones. A tensor that an index has picked from (an
expert's weights, by the number of the expert) stands, at each position of the index, at one
coordinate of the space: a *selection*. Integers that nothing here knows are data: whatever they
point into is fixed.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

import torch

from isthmus.discovery.nodes import Kind, Node, Terms, below, settle, size_of
from isthmus.discovery.program import Op


@dataclass(frozen=True)
class Index:
    """The values are coordinates of ``space``.

    Attributes:
        along: the axes on which the values depend; copies along others do not count.
        token: two indices with one token are the same function of their positions.
        source: two indices with one source have the same values, each as often.
        covering: every coordinate of the space is named exactly once.
        sorts: the source of the values that this permutation puts in ascending order.
    """

    space: Terms
    along: Terms
    token: Hashable
    source: Hashable
    covering: bool = False
    sorts: Hashable = None


@dataclass(frozen=True)
class Counts:
    """How often an index names each coordinate of ``space``; ``cumulated``: and those before."""

    space: Terms
    source: Hashable
    cumulated: bool = False


@dataclass(frozen=True)
class Selection:
    """At each position ``along``, one coordinate of ``space``.

    ``token``: by which index; ``since``: how many tensors were in the books before it picked.
    """

    along: Terms
    space: Terms
    token: Hashable
    since: int


def whole(terms: Iterable[Sequence[object]]) -> Terms:
    """The terms of several axes as one list."""
    return [term for axis in terms for term in axis]  # type: ignore[misc]


SAME = frozenset({
    "view", "reshape", "_unsafe_view", "flatten", "unflatten", "ravel", "squeeze", "unsqueeze",
    "view_as", "reshape_as", "permute", "transpose", "t", "numpy_T", "movedim", "clone",
    "contiguous", "alias", "detach", "lift_fresh_copy", "to", "_to_copy",
})  # fmt: skip
"""Operators after which every value is still there, once."""

COPIES = frozenset({"expand", "expand_as", "broadcast_to", "repeat_interleave"})
"""Operators that copy values."""

CUTS = frozenset({"slice", "narrow", "select", "split", "split_with_sizes", "chunk", "unbind"})
"""Operators that drop values."""

EXACT = frozenset({torch.int32, torch.int64, torch.float32, torch.float64})
"""Numbers that hold an index."""


def handed_on(meaning: Index | Counts, op: Op, k: int, axes: Sequence[Terms]) -> Index | Counts:
    """The meaning of one of the results: of a part, it is a function of what axes are left."""
    if isinstance(meaning, Counts) or op.target not in CUTS:
        return meaning
    return replace(meaning, along=whole(axes), token=(op.outputs[k], meaning.token))


def carried(op: Op, meaning: Index | Counts | None) -> Index | Counts | None:
    """What the result of an operator on one index means; None if it is not an index any more."""
    if meaning is None or any(shape.dtype not in EXACT for shape in op.shapes):
        return None
    if isinstance(meaning, Counts):
        return meaning if op.target in {"to", "_to_copy", "clone", "alias"} else None
    if op.target in SAME:
        return meaning
    if op.target in COPIES | CUTS:
        return replace(meaning, source=(op.outputs, meaning.source), covering=False, sorts=None)
    if op.target == "floor_divide" or _rounded_down(op):
        return _leading(op, meaning)
    return None


def _rounded_down(op: Op) -> bool:
    return op.target == "div" and op.arguments.get("rounding_mode") in {"floor", "trunc"}


def _leading(op: Op, meaning: Index) -> Index | None:
    """An index into (a b), divided by the size of b and rounded down, is one into a."""
    divisor, kept = op.arguments.get("other"), settle(meaning.space)
    if not isinstance(divisor, int) or not any(t.node.size > 1 for t in kept):
        return None
    while kept and size_of(kept) * divisor > size_of(meaning.space):
        kept = kept[:-1]
    if size_of(kept) * divisor != size_of(meaning.space):
        return None
    token = ("over", divisor, meaning.token)
    return Index(kept, meaning.along, token, ("over", divisor, meaning.source))


def covers(terms: Terms, leaves: Sequence[Node]) -> bool:
    """Whether the leaves fix one position along each of the terms."""
    return all(term.node.size == 1 or _covered(term.node, leaves) for term in settle(terms))


def _covered(node: Node, leaves: Sequence[Node]) -> bool:
    node, _ = node.find()
    if node.kind is Kind.LEAF:
        return sum(leaf is node for leaf in leaves) == 1
    parts = [part.find()[0] for part, _ in node.parts]
    if node.kind is Kind.PRODUCT:
        return all(part.size == 1 or _covered(part, leaves) for part in parts)
    # A part of a sum says where one stands only if it is nowhere else in the sum: a shifted copy
    # makes all places the same.
    inner = [leaf for part in parts for leaf in below(part) if leaf.kind is Kind.LEAF]
    return len(set(inner)) == len(inner) and sum(_covered(p, leaves) for p in parts) == 1


def leaf_nodes(terms: Terms) -> list[Node]:
    """The leaves of an axis that is a plain product of leaves; none if it is anything else."""
    nodes = [term.node for term in settle(terms) if term.node.size > 1]
    return nodes if all(node.kind is Kind.LEAF for node in nodes) else []
