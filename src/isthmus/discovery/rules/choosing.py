"""Choosing and sorting: what comes out in order, and the index that says where it was.

Values in order of size do not know how the coordinates were called: the new axis is fixed. The
index follows the coordinates (`isthmus.discovery.indices`). Where equal values are not rare, which
one is taken depends on the order of the coordinates: then these are fixed too.
"""

from __future__ import annotations

from isthmus.discovery.hidden import Hidden, hide
from isthmus.discovery.indices import Index, whole
from isthmus.discovery.nodes import ZERO, Terms, settle
from isthmus.discovery.rules.table import Call, rule
from isthmus.discovery.tensor import Tensor
from isthmus.discovery.ties import appraise, chosen_apart
from isthmus.discovery.typing import Typing


def unitless(axis: Terms) -> Terms:
    """The coordinates of an axis, for integers and masks: they have no scale."""
    return [type(t)(t.node, t.dual, ZERO) for t in settle(axis)]


def _compared(call: Call, x: Tensor, dim: int) -> list[Terms]:
    """Values along ``dim`` are compared: the other axes keep positive scales."""
    typing = call.typing
    typing.mixed(x.axes, [dim])
    typing.commute(x)
    for d, axis in enumerate(x.axes):
        typing.unflipped(axis)
        if d == dim:
            typing.unscaled(axis)
    return [axis for d, axis in enumerate(x.axes) if d != dim]


def _dim(call: Call, x: Tensor) -> int:
    return int(call.get("dim", -1)) % max(len(x.axes), 1)


def _read(call: Call, output: int) -> bool:
    """Whether anything reads one of the results, as far as is known."""
    name, program = call.op.outputs[output], call.program
    return name not in program.makers or name in program.readers or name in program.outputs


def _index(call: Call, axes: list[Terms], space: Terms, output: int, **more: bool) -> Tensor:
    """The result that names coordinates of ``space``."""
    token = call.op.outputs[output]
    axes = [unitless(axis) for axis in axes]
    meaning = Index(unitless(space), whole(axes), token, token, **more)
    return Tensor(axes, call.op.shapes[output].dtype, meaning=meaning)


def _apart(call: Call, x: Tensor, dim: int, output: int) -> None:
    """Where equal values are not rare and it matters which one is named, fix the coordinates."""
    if call.typing.worth is None:
        call.typing.worth = appraise(call.program)
    if _read(call, output) and not chosen_apart(call.typing.worth, call.op, dim, x.sizes):
        call.typing.reason += ": a choice among values that may be equal"
        call.typing.pin(x.axes[dim])


@rule("topk")
def topk(call: Call) -> list[Tensor]:
    """The k largest, by size; in an order of their own if they are not sorted."""
    typing, x = call.typing, call.tensor("self")
    if not x.axes:
        return [call.make([], k) for k in range(2)]
    dim = _dim(call, x)
    others = _compared(call, x, dim)
    _apart(call, x, dim, 1)
    place = typing.constant(call.sizes[dim])
    if not call.get("sorted", True) and call.sizes[dim] > 1:
        place = hide(typing, call.sizes[dim], whole(others), x.axes[dim]).axis
    axes = [*others[:dim], place, *others[dim:]]
    return [call.make(axes), _index(call, axes, x.axes[dim], 1)]


@rule("max", "min", "median", "mode", "kthvalue")
def extreme(call: Call) -> Tensor | list[Tensor]:
    """The largest of all; or along one axis, with its index."""
    from isthmus.discovery.rules.reduction import largest

    if "other" in call.op.arguments:
        from isthmus.discovery.rules.broadcast import extremum

        return extremum(call)
    if len(call.op.shapes) == 1:
        return largest(call)
    x = call.tensor("self")
    if not x.axes:
        return [call.make([], k) for k in range(2)]
    dim = _dim(call, x)
    others = _compared(call, x, dim)
    _apart(call, x, dim, 1)
    if call.get("keepdim", False):
        others.insert(dim, [])
    return [call.make(others), _index(call, others, x.axes[dim], 1)]


@rule("argmax", "argmin")
def argmax(call: Call) -> Tensor:
    """The index of the largest, along one axis or among all."""
    x = call.tensor("self")
    if call.op.arguments.get("dim") is None:
        call.typing.commute(x)
        for axis in x.axes:
            call.typing.pin(axis)
        return call.make([[] for _ in call.sizes])
    dim = _dim(call, x)
    others = _compared(call, x, dim)
    _apart(call, x, dim, 0)
    if call.get("keepdim", False):
        others.insert(dim, [])
    return _index(call, others, x.axes[dim], 0)


@rule("sort", "msort")
def sort(call: Call) -> list[Tensor]:
    """All values, by size, and the permutation that brings them there."""
    meaning = call.raw(call.op.arguments["self"]).meaning
    if isinstance(meaning, Index) and len(call.sizes) == 1:
        axes, order, kept = _by_number(call, meaning)
        values = Tensor(axes, call.op.shapes[0].dtype, meaning=kept)
        return [values, Tensor(axes, call.op.shapes[1].dtype, meaning=order)]
    return _by_size(call, [0, 1])


@rule("argsort")
def argsort(call: Call) -> Tensor:
    """The permutation that sorts."""
    meaning = call.raw(call.op.arguments["self"]).meaning
    if isinstance(meaning, Index) and len(call.sizes) == 1:
        axes, order, _ = _by_number(call, meaning)
        return Tensor(axes, call.op.shapes[0].dtype, meaning=order)
    return _by_size(call, [0])[0]


def _by_size(call: Call, outputs: list[int]) -> list[Tensor]:
    """Sort by values; the last of the outputs is the index."""
    x = call.tensor("self")
    if not x.axes:
        return [call.make([], k) for k in outputs]
    dim = _dim(call, x)
    others = _compared(call, x, dim)
    _apart(call, x, dim, outputs[-1])
    axes = [*others[:dim], call.typing.constant(call.sizes[dim]), *others[dim:]]
    index = _index(call, axes, x.axes[dim], outputs[-1], covering=not others)
    return [call.make(axes), index] if len(outputs) > 1 else [index]


def _by_number(call: Call, index: Index) -> tuple[list[Terms], Index, Index]:
    """Sort by the coordinate that an index names: relabelling gives another order.

    Returns the new axis, the permutation into the old one, and the index in the new order.
    """
    typing, (axis,) = call.typing, call.raw(call.op.arguments["self"]).axes
    typing.restrict(axis)
    down = bool(call.get("descending", False))
    if index.covering and not down:
        return _inverted(index, axis)
    source = ("descending" if down else "ascending", index.source)
    place = tuple(id(term.node) for term in settle(axis))
    key = (source, index.token, place, call.get("stable"))
    hidden = hide(typing, call.sizes[0], [], whole([axis, index.space]), key, source)
    made = hidden.axis
    order = Index(unitless(axis), made, ("order", key), ("all", key), covering=True, sorts=source)
    return [made], order, in_order(hidden, index)


def _inverted(index: Index, axis: Terms) -> tuple[list[Terms], Index, Index]:
    """A permutation, sorted, is 0, 1, 2, …; what sorts it is its inverse."""
    made = unitless(index.space)
    itself = Index(made, made, "itself", "itself", covering=True)
    token = ("inverse", index.token)
    return [made], Index(unitless(axis), made, token, token, covering=True), itself


def in_order(hidden: Hidden, index: Index) -> Index:
    """An index in the order in which it was sorted: a function of the place alone."""
    return Index(index.space, hidden.axis, ("sorted", hidden.source), index.source)


def sorted_by(typing: Typing, source: object, axis: Terms) -> Hidden | None:
    """The axis that a sort of these values has made: this one, if it is one of them."""
    known = [h for h in typing.hidden if h.source is not None and h.source == source]
    nodes = [term.node for term in settle(axis)]
    here = [h for h in known if [h.node.find()[0]] == nodes]
    return (here or known or [None])[0]  # type: ignore[list-item]
