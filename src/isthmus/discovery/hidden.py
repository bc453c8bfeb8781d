"""Hidden permutations: orders that depend on the data, and what must hold for them to be harmless.

Sorting tokens by the number of their expert puts them in another order when the experts are
relabelled; so does a selection that is not sorted. Nothing in the parameters says by which
permutation, and it differs from input to input. It is harmless if whatever is done to the new axis
commutes with all permutations of it: then it may be any. Where something does not, the spaces that
would cause the permutation are pinned.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from isthmus.algebra.groups import Motion
from isthmus.discovery.families import products
from isthmus.discovery.indices import covers
from isthmus.discovery.nodes import SWAPS, ZERO, Kind, Node, Occurrence, Terms, below, settle

if TYPE_CHECKING:
    from isthmus.discovery.tensor import Tensor
    from isthmus.discovery.typing import Typing


@dataclass(frozen=True)
class Hidden:
    """One axis in an order that depends on the data.

    Attributes:
        node: the axis.
        beside: the axes along which the order may differ; they must stand wherever it does.
        causes: the axes whose permutations change the order.
        key: two sorts with one key give the same order.
        source: of the values that are in ascending order along the axis, where they are.
        reason: the operator.
    """

    node: Node
    beside: Terms
    causes: Terms
    key: Hashable
    source: Hashable
    reason: str

    @property
    def axis(self) -> Terms:
        """The axis, as terms."""
        return [Occurrence(self.node, False, ZERO)]


def hide(
    typing: Typing,
    size: int,
    beside: Terms,
    causes: Terms,
    key: Hashable = None,
    source: Hashable = None,
) -> Hidden:
    """A new axis in a hidden order, or the one that the same sort has made before."""
    for known in typing.hidden:
        if key is not None and known.key == key:
            return known
    made = Hidden(Node(size, SWAPS), beside, causes, key, source, typing.reason)
    typing.hidden.append(made)
    return made


def uncover(typing: Typing, parameters: Iterable[Tensor]) -> None:
    """Pin the causes of every hidden order that something could notice, and the axis itself."""
    held = [n for p in parameters for axis in p.axes for t in settle(axis) for n in below(t.node)]
    waiting = list(typing.hidden)
    while True:
        seen = [h for h in waiting if not _harmless(typing, h, {id(n) for n in held})]
        if not seen:
            return
        for hidden in seen:
            typing.reason = f"{hidden.reason}: an order that is used"
            typing.pin([*hidden.causes, *hidden.axis])
        waiting = [h for h in waiting if h not in seen]


def _harmless(typing: Typing, hidden: Hidden, held: set[int]) -> bool:
    node, _ = hidden.node.find()
    if node.size == 1:
        return True
    if node.kind is not Kind.LEAF or Motion.SWAP not in node.motions or id(node) in held:
        return False
    if any(other is not hidden and other.node.find()[0] is node for other in typing.hidden):
        return False
    return all(
        covers(hidden.beside, leaves)
        for number in node.tensors
        for leaves in products(typing.tensors[number - 1].axes)
        if any(leaf is node for leaf in leaves)
    )
