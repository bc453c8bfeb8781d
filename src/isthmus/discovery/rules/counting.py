"""Counting and comparing indices: one-hot masks, histograms, offsets, products by groups."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

from isthmus.discovery.indices import Counts, Index, Selection, whole
from isthmus.discovery.nodes import Terms, size_of
from isthmus.discovery.positions import joint
from isthmus.discovery.program import Op, Program, Ref
from isthmus.discovery.rules.broadcast import broadcast
from isthmus.discovery.rules.broadcast import comparison as compare_numbers
from isthmus.discovery.rules.choosing import sorted_by, unitless
from isthmus.discovery.rules.indexing import same
from isthmus.discovery.rules.shape import positional
from isthmus.discovery.rules.table import Call, rule
from isthmus.discovery.tensor import Tensor
from isthmus.discovery.unify import match

ARRANGED = frozenset({"view", "reshape", "unsqueeze", "squeeze", "to", "_to_copy", "clone"})


def as_index(call: Call, value: Any, space: Terms) -> Tensor | None:
    """A tensor as an index: one already, or 0, 1, 2, …, which names each coordinate itself."""
    tensor = call.raw(value)
    if isinstance(tensor.meaning, Index):
        return tensor
    size = size_of(space)
    if not isinstance(value, Ref) or not counting(call.program, value.name, tensor.sizes, size):
        return None
    axes = [unitless(space) if n == size != 1 else [] for n in tensor.sizes]
    along = whole(axes)
    meaning = Index(unitless(space), along, "itself", "itself", covering=True)
    return Tensor(axes, tensor.dtype, meaning=meaning)


def counting(program: Program, name: str, sizes: tuple[int, ...], size: int) -> bool:
    """Whether a tensor is 0, 1, …, size - 1 along one axis, and has no other."""
    if size == 1 or prod(sizes) != size or size not in sizes:
        return False
    maker: Op | None = program.makers.get(name)
    while maker is not None and maker.target in ARRANGED:
        maker = program.makers.get(next(maker.refs()).name)
    if maker is None or maker.target != "arange":
        return False
    start, step = maker.arguments.get("start", 0), maker.arguments.get("step", 1)
    return start in (0, None) and step in (1, None) and maker.arguments.get("end") == size


@rule("eq", "ne")
def comparison(call: Call) -> Tensor:
    """An index compared with 0, 1, 2, … is a one-hot mask; with another, of the same places."""
    typing, other = call.typing, call.op.arguments.get("other")
    if not isinstance(other, Ref) or not isinstance(call.op.arguments["self"], Ref):
        return compare_numbers(call)
    a, b = call.raw(call.op.arguments["self"]), call.raw(other)
    space = next((t.meaning.space for t in (a, b) if isinstance(t.meaning, Index)), None)
    if space is None:
        return compare_numbers(call)
    left = as_index(call, call.op.arguments["self"], space)
    right = as_index(call, other, space)
    if left is None or right is None:
        return compare_numbers(call)
    spaces = [t.meaning.space for t in (left, right) if isinstance(t.meaning, Index)]
    if size_of(spaces[0]) != size_of(spaces[1]):
        return compare_numbers(call)
    match(typing, spaces[0], spaces[1], dual=False)
    axes = broadcast(typing, left, right, lambda x, y: same(typing, x, y), unitless, unitless)
    return call.make([unitless(axis) for axis in axes])


@rule("one_hot")
def one_hot(call: Call) -> Tensor:
    """A new axis, which runs over the space of the index."""
    tensor = call.raw(call.op.arguments["self"])
    if isinstance(tensor.meaning, Index) and size_of(tensor.meaning.space) == call.sizes[-1]:
        return call.make([*map(unitless, tensor.axes), unitless(tensor.meaning.space)])
    x = call.tensor("self")
    call.typing.commute(x)
    return call.make([*x.axes, call.typing.constant(call.sizes[-1])])


@rule("histc", "bincount")
def histogram(call: Call) -> Tensor:
    """How often each coordinate of a space is named."""
    tensor, size = call.raw(call.op.arguments["self"]), call.sizes[0]
    meaning = tensor.meaning
    whole_numbers = call.op.target == "bincount" or (
        call.get("min", 0) == 0 and call.get("max", 0) == size - 1
    )
    known = isinstance(meaning, Index) and size_of(meaning.space) == size
    weights = call.optional("weights")
    if weights is not None or not whole_numbers or not known:
        x = call.tensor("self")
        for axis in (*x.axes, *(weights.axes if weights is not None else ())):
            call.typing.restrict(axis)
            call.typing.still(axis)
        if weights is not None:
            for a, b in zip(x.axes, weights.axes, strict=True):
                same(call.typing, a, b)
        return call.make([call.typing.constant(size)])
    assert isinstance(meaning, Index)
    call.typing.commute(tensor)
    axis = unitless(meaning.space)
    return replace(call.make([axis]), meaning=Counts(meaning.space, meaning.source))


@rule("cumsum")
def cumsum(call: Call) -> Tensor:
    """Cumulated counts say where each group ends, once the index is sorted."""
    tensor = call.raw(call.op.arguments["self"])
    counts = tensor.meaning
    if isinstance(counts, Counts) and not counts.cumulated and len(tensor.axes) == 1:
        return replace(call.make(tensor.axes), meaning=replace(counts, cumulated=True))
    return positional(call)


@rule("transformers.grouped_mm_fallback", "_grouped_mm")
def grouped_product(call: Call) -> Tensor | list[Tensor]:
    """Rows sorted by group, each times the matrix of its group: row r, that of sorted index r."""
    typing = call.typing
    names = list(call.op.arguments)
    x, weight = call.tensor(names[0]), call.tensor(names[1])
    ends = call.op.arguments.get("offs")
    counts = call.raw(ends).meaning if isinstance(ends, Ref) else None
    biased = call.op.arguments.get("bias") is not None
    known = isinstance(counts, Counts) and counts.cumulated and not biased
    if not known or len(x.axes) != 2 or len(weight.axes) != 3:
        for axis in (*x.axes, *weight.axes):
            typing.pin(axis)
        return typing.inert(call.op.shapes[0])
    assert isinstance(counts, Counts)
    rows, groups = x.axes[0], weight.axes[0]
    typing.restrict(groups)
    typing.still(groups)
    match(typing, groups, counts.space, dual=False)
    source = ("ascending", counts.source)
    order = sorted_by(typing, source, rows)
    if order is None:
        typing.pin(rows)
        typing.pin(groups)
    else:
        same(typing, rows, order.axis)
    token = ("sorted", source)
    typing.selections.append(Selection(unitless(rows), counts.space, token, len(typing.tensors)))
    joint(typing, x.axes, [weight.axes[2]])
    typing.contract(x.axes[1], weight.axes[1])
    return call.make([rows, weight.axes[2]])
