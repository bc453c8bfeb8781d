"""Which spaces index which: the wreath products, found at the end.

A space may vary with another when that other occurs beside it wherever it occurs. Heads, query
groups and convolution groups come from this with no special case; a bias or a gain that heads
share removes it by itself.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

from isthmus.discovery.indices import Selection, covers, leaf_nodes
from isthmus.discovery.nodes import Kind, Node, Terms, below, settle

if TYPE_CHECKING:
    from isthmus.discovery.tensor import Tensor


def products(axes: Sequence[Terms]) -> list[list[Node]]:
    """The leaves that occur together: one list for each part of the sums in a tensor."""
    ways: list[tuple[list[Node], dict[int, int]]] = [([], {})]
    for axis in axes:
        ways = [
            ([*leaves, *more], then) for leaves, made in ways for more, then in _axis(axis, made)
        ]
    return [leaves for leaves, _ in ways]


def _axis(axis: Terms, made: dict[int, int]) -> Iterator[tuple[list[Node], dict[int, int]]]:
    terms = settle(axis)
    if not terms:
        yield [], made
        return
    node = terms[0].node
    if node.kind is Kind.LEAF:
        for rest, then in _axis(terms[1:], made):
            yield [node, *rest], then
        return
    owner = id(node) if node.kind is Kind.SUM else id(node.key.find()[0]) if node.key else 0
    for k, (part, _) in enumerate(node.parts):
        if made.get(owner, k) != k:
            continue
        inner = [type(terms[0])(part, False, terms[0].unit), *terms[1:]]
        yield from _axis(inner, {**made, owner: k})


def dependencies(
    tensors: Iterable[Tensor], movable: set[Node], selections: Sequence[Selection] = ()
) -> dict[Node, set[Node]]:
    """For each leaf of some that are in question, those that stand beside it everywhere.

    A leaf stands beside a space also where an index selects from the space at every position.
    """
    beside: dict[Node, set[Node]] = {}
    twice: set[Node] = set()
    selecting = _by_leaf(selections, movable)
    for place, tensor in enumerate(tensors):
        for leaves in products(tensor.axes):
            present = [leaf for leaf in leaves if leaf in movable]
            if not present:
                continue
            unique = set(present)
            if len(unique) < len(present):
                twice |= {leaf for leaf in unique if present.count(leaf) > 1}
            picked, doubtful = _selected(leaves, selecting, unique, place)
            for leaf in unique:
                others = (unique | picked) - doubtful - {leaf}
                beside[leaf] = beside[leaf] & others if leaf in beside else others
    return {leaf: others - twice for leaf, others in beside.items()}


Selecting: TypeAlias = "dict[Node, list[tuple[Selection, list[Node]]]]"


def _by_leaf(selections: Sequence[Selection], movable: set[Node]) -> Selecting:
    """The selections from movable spaces, by the leaves of the last axis along which they vary."""
    found: Selecting = {}
    for selection in selections:
        spaces = [leaf for leaf in leaf_nodes(selection.space) if leaf in movable]
        last = [t for t in settle(selection.along) if t.node.size > 1][-1:]
        for leaf in {n for t in last for n in below(t.node) if n.kind is Kind.LEAF and spaces}:
            found.setdefault(leaf, []).append((selection, spaces))
    return found


def _selected(
    leaves: Sequence[Node], selecting: Selecting, present: set[Node], place: int
) -> tuple[set[Node], set[Node]]:
    """The spaces at one coordinate of which each position stands, and those at two or more.

    What has a space as an axis, before anything is picked from it, stands at that axis alone.
    """
    by: dict[Node, set[Hashable]] = {leaf: {"itself"} for leaf in present}
    for leaf in leaves:
        for selection, spaces in selecting.get(leaf, ()):
            if covers(selection.along, leaves):
                for space in spaces:
                    if space in present and place < selection.since:
                        continue
                    by.setdefault(space, set()).add(selection.token)
    doubtful = {space for space, tokens in by.items() if len(tokens) > 1}
    return set(by), doubtful


def orient(
    depends: dict[Node, set[Node]], order: Sequence[Node], movable: set[Node]
) -> dict[Node, list[Node]]:
    """Break ties (two spaces that always stand together): the richer group goes inside.

    Returns, for each leaf that moves or indexes one that does, the leaves that index it, outermost
    first. A fixed leaf indexes others as well: what stands at each of its coordinates may move
    alone.
    """
    rank = {leaf: k for k, leaf in enumerate(order)}

    def outer_key(leaf: Node) -> tuple[int, int]:
        return len(leaf.motions), rank[leaf]

    kept: dict[Node, set[Node]] = {}
    for leaf in order:
        kept[leaf] = {
            other
            for other in depends.get(leaf, set())
            if leaf not in depends.get(other, set()) or outer_key(other) < outer_key(leaf)
        }
    keys = {key for leaf in movable for key in kept[leaf]}
    return {
        leaf: sorted(kept[leaf], key=lambda o: (len(kept[o]), rank[o])) if leaf in movable else []
        for leaf in order
        if leaf in movable or leaf in keys
    }
