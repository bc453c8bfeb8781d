"""Writing at places that integers name, or into a part of a tensor."""

from __future__ import annotations

from collections.abc import Sequence

from isthmus.discovery.indices import Index
from isthmus.discovery.nodes import Terms, size_of
from isthmus.discovery.rules.broadcast import broadcast, steady, sum_of
from isthmus.discovery.rules.choosing import unitless
from isthmus.discovery.rules.counting import as_index
from isthmus.discovery.rules.indexing import aligned, point, positions, same
from isthmus.discovery.rules.shape import join
from isthmus.discovery.rules.table import Call, rule
from isthmus.discovery.tensor import Tensor
from isthmus.discovery.typing import Typing


@rule("scatter", "scatter_add", "scatter_reduce")
def scatter(call: Call) -> Tensor:
    """Values written, or added, along one axis at places that an index names."""
    typing, x = call.typing, call.tensor("self")
    integers = call.raw(call.op.arguments["index"])
    dim = call.dim("dim", len(x.axes))
    aligned(call, x, integers, dim)
    source = call.optional("src")
    point(call, x.axes, dim, integers, taken=source is not None)
    typing.restrict(x.axes[dim])
    typing.still(x.axes[dim])
    adding = call.op.target == "scatter_add" or call.get("reduce") in {"add", "sum"}
    if source is not None:
        _written(call, x, source, integers, dim, adding)
    elif call.get("value", 0) != 0:
        for axis in x.axes:
            steady(typing)(axis)
    if not adding and call.get("reduce") is not None:
        typing.commute(x)
        for axis in x.axes:
            typing.still(axis)
    return call.make(x.axes)


def _written(
    call: Call, x: Tensor, source: Tensor, integers: Tensor, dim: int, adding: bool
) -> None:
    """What is written has the units of what it is written into."""
    typing = call.typing
    for d, (a, b) in enumerate(zip(x.axes, source.axes, strict=True)):
        there = integers.axes[dim] if d == dim else a
        if size_of(there) != size_of(b):
            typing.pin(there)
            typing.pin(b)
        elif d == dim:
            typing.still(b)
            same(typing, there, b)
        else:
            typing.tie(a, b)
    if not adding and not _once(call, dim, len(x.axes)):
        typing.pin(integers.axes[dim])  # the last of several written to one place stays


def _once(call: Call, dim: int, ndim: int) -> bool:
    """Whether the index names no place twice along ``dim``: it comes from a choice among them."""
    maker = call.program.makers.get(call.op.arguments["index"].name)
    if maker is None or maker.target not in {"topk", "sort", "argsort"}:
        return False
    return int(maker.arguments.get("dim", -1)) % ndim == dim


@rule("index_add", "index_copy", "index_fill", "index_reduce")
def index_add(call: Call) -> Tensor:
    """As `scatter_add`, whole slices at a time."""
    typing, x = call.typing, call.tensor("self")
    integers = call.raw(call.op.arguments["index"])
    dim = call.dim("dim", len(x.axes))
    point(call, x.axes, dim, integers)
    source, adding = call.optional("source"), call.op.target == "index_add"
    place = unitless(integers.axes[0] if integers.axes else [])
    if source is not None:
        there = Tensor([*x.axes[:dim], place, *x.axes[dim + 1 :]], x.dtype)
        sum_of(typing, there, source)
    if source is None or call.op.target == "index_reduce":
        typing.commute(x)
        for axis in x.axes:
            typing.still(axis)
    if not adding:
        typing.pin(place)
    typing.restrict(x.axes[dim])
    typing.still(x.axes[dim])
    return call.make(x.axes)


@rule("index_put", "_unsafe_index_put")
def index_put(call: Call) -> Tensor:
    """As `index`, written: the inverse of a permutation is made so."""
    chosen = {d: call.raw(i) for d, i in enumerate(call.op.arguments["indices"]) if i is not None}
    inverse = _inverse(call, list(chosen.values()))
    if inverse is not None:
        return inverse
    typing, x, values = call.typing, call.tensor("self"), call.tensor("values")
    if any(t.dtype.is_floating_point or t.dtype.itemsize == 1 for t in chosen.values()):
        for axis in (*x.axes, *values.axes):
            typing.pin(axis)
        return typing.inert(call.op.shapes[0])
    place = positions(typing, list(chosen.values()))
    for d, integers in chosen.items():
        point(call, x.axes, d, integers)
        typing.restrict(x.axes[d])
        typing.still(x.axes[d])
    for axis in place:
        typing.restrict(axis)
        if not call.get("accumulate", False):
            typing.pin(axis)
    kept = [axis for d, axis in enumerate(x.axes) if d not in chosen]
    order = list(chosen)
    together = order == list(range(order[0], order[0] + len(order)))
    front = order[0] if together else 0
    there = Tensor([*kept[:front], *place, *kept[front:]], x.dtype)
    alone = steady(typing)
    broadcast(typing, there, values, typing.tie, alone, alone)
    return call.make(x.axes)


def _inverse(call: Call, chosen: Sequence[Tensor]) -> Tensor | None:
    """``out[p] = index`` where p names every place once: the index, read at the inverse of p."""
    if len(chosen) != 1 or call.get("accumulate", False):
        return None
    places = chosen[0].meaning
    if not isinstance(places, Index) or not places.covering or len(chosen[0].axes) != 1:
        return None
    if len(call.sizes) != 1 or size_of(places.space) != call.sizes[0]:
        return None
    axis = chosen[0].axes[0]
    values = as_index(call, call.op.arguments["values"], axis)
    if values is None or not isinstance(values.meaning, Index) or len(values.axes) != 1:
        return None
    same(call.typing, axis, values.axes[0])
    made, meaning = unitless(places.space), values.meaning
    token = ("inverse", places.token, meaning.token)
    index = Index(meaning.space, made, token, meaning.source, meaning.covering)
    return Tensor([made], call.op.shapes[0].dtype, meaning=index)


@rule("slice_scatter")
def slice_scatter(call: Call) -> Tensor:
    """A range of one axis replaced: what is left of it, and the new part, end to end."""
    x, source = call.tensor("self"), call.tensor("src")
    dim, size = call.dim("dim", len(x.axes)), x.sizes[call.dim("dim", len(x.axes))]
    start, stop = (_bound(call.get(n, d), size) for n, d in (("start", 0), ("end", size)))
    if int(call.get("step", 1)) != 1 or size_of(source.axes[dim]) != stop - start:
        return _fixed(call, x, source, dim)
    return call.make(_replaced(call.typing, x, source, dim, start, stop))


@rule("select_scatter")
def select_scatter(call: Call) -> Tensor:
    """One place of one axis replaced."""
    x, source = call.tensor("self"), call.tensor("src")
    dim = call.dim("dim", len(x.axes))
    start = int(call.op.arguments["index"]) % x.sizes[dim]
    axes = [*source.axes[:dim], call.typing.constant(1), *source.axes[dim:]]
    return call.make(_replaced(call.typing, x, Tensor(axes, source.dtype), dim, start, start + 1))


def _bound(value: int, size: int) -> int:
    return max(min(value + size if value < 0 else value, size), 0)


def _fixed(call: Call, x: Tensor, source: Tensor, dim: int) -> Tensor:
    """Every few places replaced: nothing acts on the axis."""
    typing = call.typing
    for tensor in (x, source):
        typing.pin(tensor.axes[dim])
        typing.mixed(tensor.axes, [dim])
    for d, (a, b) in enumerate(zip(x.axes, source.axes, strict=True)):
        if d != dim:
            typing.tie(a, b)
    return call.make([*x.axes[:dim], typing.constant(call.sizes[dim]), *x.axes[dim + 1 :]])


def _replaced(
    typing: Typing, x: Tensor, source: Tensor, dim: int, start: int, stop: int
) -> list[Terms]:
    parts = [source]
    if start > 0:
        parts.insert(0, Tensor(typing.cut(x.axes, dim, 0, start), x.dtype))
    if stop < x.sizes[dim]:
        parts.append(Tensor(typing.cut(x.axes, dim, stop, x.sizes[dim]), x.dtype))
    if len(parts) == 1:
        return list(sum_of(typing, source, Tensor(x.axes, x.dtype)))
    return join(typing, parts, dim)
