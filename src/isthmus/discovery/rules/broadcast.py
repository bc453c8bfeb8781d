"""Operators on several tensors, element by element: addition, products, comparison, selection."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from isthmus.discovery.nodes import ZERO, Terms, size_of
from isthmus.discovery.rules.table import Call, rule
from isthmus.discovery.tensor import Tensor
from isthmus.discovery.typing import Typing
from isthmus.discovery.unify import match

Both: TypeAlias = Callable[[Terms, Terms], Terms]
Alone: TypeAlias = Callable[[Terms], Terms]


def broadcast(
    typing: Typing, a: Tensor, b: Tensor, both: Both, left: Alone, right: Alone
) -> list[Terms]:
    """Align trailing dimensions; ``left`` and ``right`` treat axes that only one operand has."""
    ndim = max(len(a.axes), len(b.axes))
    out: list[Terms] = []
    for k in range(-ndim, 0):
        x = a.axes[k] if -k <= len(a.axes) else None
        y = b.axes[k] if -k <= len(b.axes) else None
        if x is not None and y is not None and size_of(x) == size_of(y):
            out.append(both(x, y))
            continue
        for small, big in ((x, y), (y, x)):
            if small is not None and big is not None and size_of(small) < size_of(big):
                typing.pin(small)
        wide_left = y is None or (x is not None and size_of(x) > size_of(y))
        wide = x if wide_left else y
        assert wide is not None
        out.append(left(wide) if wide_left else right(wide))
    return out


def steady(typing: Typing) -> Alone:
    """An axis along which something constant is added: permutations only."""

    def alone(axis: Terms) -> Terms:
        typing.restrict(axis)
        typing.still(axis)
        return axis

    return alone


def sum_of(typing: Typing, a: Tensor, b: Tensor) -> list[Terms]:
    """Addition, also of a bias: same coordinates, same units."""
    alone = steady(typing)
    return broadcast(typing, a, b, typing.tie, alone, alone)


def product_of(typing: Typing, a: Tensor, b: Tensor) -> list[Terms]:
    """Multiplication: scales add; an axis of one operand only is multiplied by one number."""
    return broadcast(typing, a, b, typing.blend, lambda x: x, lambda y: y)


@rule("add", "sub", "rsub")
def addition(call: Call) -> Tensor:
    """x + αy; a number shifts every axis."""
    x, y = call.tensor("self"), call.optional("other")
    if y is None:
        if call.get("other", 0) != 0:
            for axis in x.axes:
                steady(call.typing)(axis)
        return call.make(x.axes)
    return call.make(sum_of(call.typing, x, y))


@rule("mul", "multiply")
def multiplication(call: Call) -> Tensor:
    """x · y; a number is no constraint."""
    x, y = call.tensor("self"), call.optional("other")
    return call.make(x.axes if y is None else product_of(call.typing, x, y))


@rule("div", "true_divide")
def division(call: Call) -> Tensor:
    """x / y, without rounding."""
    if call.get("rounding_mode") is not None:
        return rounded(call)
    x, y, typing = call.tensor("self"), call.optional("other"), call.typing
    if y is None:
        return call.make(x.axes)

    def below(axis: Terms) -> Terms:
        typing.restrict(axis)
        return typing.power(axis, -1, 1, odd=True)

    axes = broadcast(typing, x, y, lambda a, b: typing.blend(a, b, invert=True), lambda a: a, below)
    return call.make(axes)


@rule("floor_divide", "remainder", "fmod")
def rounded(call: Call) -> Tensor:
    """Division with rounding, and what is left: permutations only."""
    typing = call.typing
    operands = [t for n in ("self", "other") if (t := call.optional(n)) is not None]
    made = call.make(operands[0].axes)
    for other in operands[1:]:
        made = call.make(sum_of(typing, made, other))
    for operand in (*operands, made):
        typing.commute(operand)
        for axis in operand.axes:
            typing.still(axis)
    return call.make(made.axes)


@rule("addcmul")
def addcmul(call: Call) -> Tensor:
    """x + v · a · b."""
    typing = call.typing
    product = call.make(product_of(typing, call.tensor("tensor1"), call.tensor("tensor2")))
    return call.make(sum_of(typing, call.tensor("self"), product))


@rule("lerp")
def lerp(call: Call) -> Tensor:
    """x + w (y - x)."""
    typing = call.typing
    mixed = call.make(sum_of(typing, call.tensor("self"), call.tensor("end")))
    weight = call.optional("weight")
    if weight is None:
        return mixed
    return call.make(sum_of(typing, mixed, call.make(product_of(typing, weight, mixed))))


@rule("maximum", "minimum", "fmax", "fmin")
def extremum(call: Call) -> Tensor:
    """The larger of two: positive scales pass, signs do not."""
    typing = call.typing
    axes = sum_of(typing, call.tensor("self"), call.tensor("other"))
    for axis in axes:
        typing.restrict(axis)
        typing.unflipped(axis)
    return call.make(axes)


@rule("lt", "le", "gt", "ge")
def comparison(call: Call) -> Tensor:
    """Order is kept by positive scales if both sides are scaled alike, or the number is zero."""
    typing = call.typing
    x, y = call.tensor("self"), call.optional("other")
    axes = x.axes if y is None else sum_of(typing, x, y)
    for axis in axes:
        typing.restrict(axis)
        typing.unflipped(axis)
        if y is None and call.get("other", 0) != 0:
            typing.unscaled(axis)
    return call.make([unitless(axis) for axis in axes])


def unitless(axis: Terms) -> Terms:
    """The same coordinates, without scale or sign."""
    return [type(t)(t.node, t.dual, ZERO) for t in axis]


def same_places(typing: Typing, mask: Tensor, x: Tensor) -> None:
    """A mask and a tensor: the same coordinates, but a mask has no unit."""

    def both(m: Terms, a: Terms) -> Terms:
        typing.restrict(a)
        match(typing, m, a, dual=False)
        return a

    def along(axis: Terms) -> Terms:
        typing.restrict(axis)
        return axis

    for axis in mask.axes:
        typing.still(axis)
    broadcast(typing, mask, x, both, along, along)


@rule("where")
def where(call: Call) -> Tensor:
    """Choose between two tensors (or numbers) by a mask."""
    typing = call.typing
    mask, x, y = call.tensor("condition"), call.optional("self"), call.optional("other")
    if x is None or y is None:
        kept = x if x is not None else y
        if kept is None:  # two numbers
            typing.commute(mask)
            for axis in mask.axes:
                typing.still(axis)
            return call.make([unitless(axis) for axis in mask.axes])
        number = call.get("other" if x is not None else "self", 0)
        axes = kept.axes if number == 0 else [steady(typing)(axis) for axis in kept.axes]
        chosen = call.make(axes)
    else:
        chosen = call.make(sum_of(typing, x, y))
    same_places(typing, mask, chosen)
    return _expanded(call, mask, chosen)


def _expanded(call: Call, mask: Tensor, chosen: Tensor) -> Tensor:
    """Axes that only the mask has stay the mask's."""
    axes = broadcast(call.typing, mask, chosen, lambda m, a: a, unitless, lambda a: a)
    return call.make(axes)


@rule("masked_fill")
def masked_fill(call: Call) -> Tensor:
    """Put a number where the mask is set: zero and infinities keep positive scales."""
    typing = call.typing
    x, mask = call.tensor("self"), call.tensor("mask")
    value = call.get("value", 0)
    same_places(typing, mask, x)
    if value != 0:
        for axis in x.axes:
            steady(typing)(axis)
    return call.make(x.axes)


@rule("clamp", "clamp_min", "clamp_max", "hardtanh", "clip")
def clamp(call: Call) -> Tensor:
    """Bounds: zero keeps positive scales, symmetric ones keep signs, others keep neither."""
    typing, x = call.typing, call.tensor("self")
    low = call.get("min", call.get("min_val"))
    high = call.get("max", call.get("max_val"))
    typing.commute(x)
    bounds = [b for n in ("min", "max") if (b := call.optional(n)) is not None]
    if bounds:
        return _between(call, x, bounds)
    one_sided_zero = (low in (0, None)) and (high in (0, None))
    symmetric = low is not None and high is not None and low == -high
    for axis in x.axes:
        if not one_sided_zero:
            typing.unscaled(axis)
        if not symmetric:
            typing.unflipped(axis)
    return call.make(x.axes)


def _between(call: Call, x: Tensor, bounds: list[Tensor]) -> Tensor:
    """Bounds that are tensors: positive scales pass if x and they are scaled alike."""
    for bound in bounds:
        x = call.make(sum_of(call.typing, x, bound))
    call.typing.commute(x)
    for axis in x.axes:
        call.typing.unflipped(axis)
    return call.make(x.axes)


@rule("prelu")
def prelu(call: Call) -> Tensor:
    """Positive scales pass; the slopes move with their channels."""
    typing, x, slope = call.typing, call.tensor("self"), call.tensor("weight")
    typing.commute(x)
    for axis in x.axes:
        typing.unflipped(axis)
    axis = slope.axes[0] if slope.axes else []
    if size_of(axis) > 1:
        match(typing, x.axes[1], axis, dual=False)
    typing.still(axis)
    return call.make(x.axes)
