"""Planes turned by constant angles: rotary positions (mathematics.md 4.4)."""

from __future__ import annotations

from isthmus.discovery import unify
from isthmus.discovery.nodes import NONE, PLANE, Kind, Terms, settle
from isthmus.discovery.rules.table import Call, rule
from isthmus.discovery.tensor import Tensor
from isthmus.discovery.typing import Typing


@rule("isthmus.rotary")
def rotary(call: Call) -> Tensor:
    """What commutes with turning a plane is its own turns and one scale: complex numbers."""
    typing, x = call.typing, call.tensor("self")
    start, count = int(call.get("start")), int(call.get("planes"))
    last, size = len(x.axes) - 1, x.sizes[-1]
    for d in call.get("varying", ()):
        # Turned by an angle of their own: not to be exchanged.
        typing.restrict(x.axes[d], NONE)
    stop = start + 2 * count
    turned = x.axes if (start, stop) == (0, size) else typing.cut(x.axes, last, start, stop)
    sizes = [2, count] if call.get("halves", True) else [count, 2]
    pieces = _alone(typing, turned[last]) if count == 1 else typing.split(turned[last], sizes)
    if pieces is None:
        typing.pin(turned[last])
        return call.make(x.axes)
    pair, planes = pieces if count == 1 or call.get("halves", True) else pieces[::-1]
    # Both coordinates of a plane carry one scale; planes stay in place.
    typing.still(pair)
    typing.restrict(pair, PLANE)
    typing.restrict(planes, NONE)
    # Nothing may vary along the two: they are mixed.
    typing.number(Tensor([*x.axes[:last], planes], x.dtype))
    return call.make([*x.axes[:last], [*pair, *planes]] if call.get("apart") else x.axes)


def _alone(typing: Typing, axis: Terms) -> list[Terms] | None:
    """One plane: its scale needs a coordinate beside the pair."""
    terms = settle(axis)
    if len(terms) == 1 and terms[0].node.kind is Kind.LEAF:
        terms = unify.divide(typing, terms[0], 2) or terms
    wide = [term for term in terms if term.node.size > 1]
    return [wide, [term for term in terms if term.node.size == 1]] if len(wide) == 1 else None
