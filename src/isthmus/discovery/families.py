"""Which spaces index which: the wreath products, found at the end.

A space may vary with another when that other occurs beside it wherever it occurs. Heads, query
groups and convolution groups come from this with no special case; a bias or a gain that heads
share removes it by itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

from isthmus.discovery.nodes import Kind, Node, Terms, settle
from isthmus.discovery.typing import Tensor


def products(axes: Sequence[Terms]) -> Iterator[list[Node]]:
    """The leaves that occur together: one list for each part of the sums in a tensor."""
    per_axis = [list(_axis(axis, {})) for axis in axes]
    if all(len(options) == 1 for options in per_axis):
        yield [leaf for options in per_axis for leaf in options[0][0]]
        return
    for choice in itertools.product(*per_axis):
        if _consistent(made for _, made in choice):
            yield [leaf for leaves, _ in choice for leaf in leaves]


def _consistent(choices: Iterable[Mapping[int, int]]) -> bool:
    seen: dict[int, int] = {}
    return all(seen.setdefault(key, k) == k for made in choices for key, k in made.items())


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


def dependencies(tensors: Iterable[Tensor], movable: set[Node]) -> dict[Node, set[Node]]:
    """For each movable leaf, the movable leaves that stand beside it everywhere."""
    beside: dict[Node, set[Node]] = {}
    twice: set[Node] = set()
    for tensor in tensors:
        for leaves in products(tensor.axes):
            present = [leaf for leaf in leaves if leaf in movable]
            if not present:
                continue
            unique = set(present)
            if len(unique) < len(present):
                twice |= {leaf for leaf in unique if present.count(leaf) > 1}
            for leaf in unique:
                others = unique - {leaf}
                beside[leaf] = beside[leaf] & others if leaf in beside else others
    return {leaf: others - twice for leaf, others in beside.items()}


def orient(depends: dict[Node, set[Node]], order: Sequence[Node]) -> dict[Node, list[Node]]:
    """Break ties (two spaces that always stand together): the richer group goes inside.

    Returns, for each leaf, the leaves that index it, outermost first.
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
    return {leaf: sorted(kept[leaf], key=lambda o: (len(kept[o]), rank[o])) for leaf in order}
