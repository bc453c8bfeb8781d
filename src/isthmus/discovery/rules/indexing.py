"""Reading at places that integers name: indexing, gathering, embedding.

Where the integers are an index into a space (`isthmus.discovery.indices`), the axis that is read
is that space, and each position of the result stands at one of its coordinates. Other integers are
data: what they point into is fixed.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace

import torch

from isthmus.discovery.indices import Index, Selection
from isthmus.discovery.nodes import Terms, settle, size_of
from isthmus.discovery.rules.broadcast import broadcast
from isthmus.discovery.rules.choosing import unitless
from isthmus.discovery.rules.table import Call, rule
from isthmus.discovery.tensor import Tensor
from isthmus.discovery.typing import Typing
from isthmus.discovery.unify import match


def point(
    call: Call, axes: Sequence[Terms], dim: int, integers: Tensor, *, taken: bool = True
) -> None:
    """The integers name positions of an axis: it is the space of the index, or fixed.

    ``taken``: something stands at these positions, read from there or to be written there.
    """
    typing, meaning, axis = call.typing, integers.meaning, axes[dim]
    if not isinstance(meaning, Index) or size_of(meaning.space) != size_of(axis):
        typing.pin(axis)
        typing.mixed(axes, [dim])
        if meaning is not None:
            typing.pin(meaning.space)
        return
    typing.restrict(axis)
    typing.still(axis)
    match(typing, axis, meaning.space, dual=False)
    if taken:
        since = len(typing.tensors)
        typing.selections.append(Selection(meaning.along, meaning.space, meaning.token, since))


def same(typing: Typing, a: Terms, b: Terms) -> Terms:
    """The same coordinates; scales are those of the first alone."""
    typing.restrict(a)
    typing.restrict(b)
    match(typing, a, b, dual=False)
    return a


def positions(typing: Typing, integers: Sequence[Tensor]) -> list[Terms]:
    """The axes of several index tensors together."""
    axes = [unitless(axis) for axis in integers[0].axes]
    for other in integers[1:]:
        so_far = Tensor(axes, torch.int64)
        axes = broadcast(typing, so_far, other, lambda a, b: same(typing, a, b), unitless, unitless)
    return axes


@rule("index", "_unsafe_index")
def index(call: Call) -> Tensor:
    """Positions named by integers along some axes; the others pass."""
    typing = call.typing
    chosen = {d: call.raw(i) for d, i in enumerate(call.op.arguments["indices"]) if i is not None}
    x = call.raw(call.op.arguments["self"])
    meaning = _followed(x, list(chosen.values()))
    if meaning is None:
        x = call.tensor("self")
    if any(not _integral(t) for t in chosen.values()):
        for axis in x.axes:
            typing.pin(axis)
        return typing.inert(call.op.shapes[0])
    axes = indexed(call, x, chosen)
    return replace(call.make(axes), meaning=meaning)


def _integral(tensor: Tensor) -> bool:
    return tensor.dtype is not torch.bool and not tensor.dtype.is_floating_point


def indexed(call: Call, x: Tensor, chosen: dict[int, Tensor]) -> list[Terms]:
    """The axes of ``x`` with the chosen ones replaced by those of the integers."""
    made = positions(call.typing, list(chosen.values()))
    for d, integers in chosen.items():
        point(call, x.axes, d, integers)
    kept = [axis for d, axis in enumerate(x.axes) if d not in chosen]
    order = list(chosen)
    together = order == list(range(order[0], order[0] + len(order)))
    front = order[0] if together else 0
    return [*kept[:front], *made, *kept[front:]]


def _followed(x: Tensor, chosen: Sequence[Tensor]) -> Index | None:
    """An index read at places that another index names."""
    meaning, then = x.meaning, chosen[0].meaning
    if not isinstance(meaning, Index) or not isinstance(then, Index):
        return None
    if len(chosen) != 1 or len(x.axes) != 1 or size_of(then.space) != size_of(x.axes[0]):
        return None
    token: Hashable = (meaning.token, then.token)
    if then.sorts == ("ascending", meaning.source) and _same_order(x.axes[0], then.space):
        token = ("sorted", then.sorts)
    source = meaning.source if then.covering else token
    return Index(meaning.space, then.along, token, source, meaning.covering and then.covering)


def _same_order(axis: Terms, space: Terms) -> bool:
    return [t.node for t in settle(axis)] == [t.node for t in settle(space)]


@rule("index_select")
def index_select(call: Call) -> Tensor:
    """As `index`, along one axis."""
    x = call.tensor("self")
    dim = call.dim("dim", len(x.axes))
    return call.make(indexed(call, x, {dim: call.raw(call.op.arguments["index"])}))


@rule("embedding")
def embedding(call: Call) -> Tensor:
    """Rows chosen by integers: the vocabulary is fixed, features are free."""
    weight, ids = call.tensor("weight"), call.raw(call.op.arguments["indices"])
    return call.make(indexed(call, weight, {0: ids}))


@rule("gather", "take_along_dim")
def gather(call: Call) -> Tensor:
    """Along one axis at places that differ from position to position of the others."""
    x = call.tensor("self")
    integers = call.raw(call.op.arguments.get("index", call.op.arguments.get("indices")))
    if call.op.arguments.get("dim") is None:
        for axis in x.axes:
            call.typing.pin(axis)
        return call.typing.inert(call.op.shapes[0])
    dim = call.dim("dim", len(x.axes))
    axes = aligned(call, x, integers, dim)
    point(call, x.axes, dim, integers)
    axes[dim] = unitless(integers.axes[dim])
    return call.make(axes)


def aligned(call: Call, x: Tensor, integers: Tensor, dim: int) -> list[Terms]:
    """The axes other than ``dim`` are the same for both; where the sizes differ, fixed.

    (For `gather` the index may be shorter; for `take_along_dim` either may be repeated.)
    """
    typing = call.typing
    out, repeating = list(x.axes), call.op.target == "take_along_dim"
    for d, (a, b) in enumerate(zip(x.axes, integers.axes, strict=True)):
        if d == dim or (repeating and size_of(b) == 1):
            continue
        if repeating and size_of(a) == 1:
            typing.pin(a)
            out[d] = unitless(b)
        elif size_of(a) != size_of(b):
            typing.pin(a)
            typing.pin(b)
            typing.mixed(x.axes, [d])
            out[d] = typing.constant(size_of(b))
        else:
            same(typing, a, b)
    return out
