"""Products that sum over an axis: linear layers, matrix products, einsum."""

from __future__ import annotations

from isthmus.discovery.nodes import Terms, size_of
from isthmus.discovery.positions import joint
from isthmus.discovery.rules.broadcast import broadcast, sum_of
from isthmus.discovery.rules.table import Call, rule
from isthmus.discovery.tensor import Tensor
from isthmus.discovery.typing import Typing


def add_bias(call: Call, axes: list[Terms], bias: Tensor | None) -> list[Terms]:
    """Add a vector along the last axis."""
    return axes if bias is None else sum_of(call.typing, call.make(axes), bias)


@rule("linear")
def linear(call: Call) -> Tensor:
    """x Wᵀ + b: the weight's columns are dual to the input's features."""
    x, weight = call.tensor("input"), call.tensor("weight")
    joint(call.typing, x.axes, weight.axes[:-1])
    call.typing.contract(x.axes[-1], weight.axes[-1])
    return call.make(add_bias(call, [*x.axes[:-1], *weight.axes[:-1]], call.optional("bias")))


@rule("mm", "bmm", "matmul", "dot", "mv")
def matmul(call: Call) -> Tensor:
    """Matrix product, batched over leading dimensions."""
    other = next(n for n in ("mat2", "other", "tensor", "vec") if n in call.op.arguments)
    return call.make(matrix_product(call.typing, call.tensor("self"), call.tensor(other)))


def matrix_product(typing: Typing, a: Tensor, b: Tensor) -> list[Terms]:
    """The axes of ``a @ b``."""
    if len(b.axes) == 1:
        typing.contract(a.axes[-1], b.axes[0])
        return list(a.axes[:-1])
    typing.contract(a.axes[-1], b.axes[-2])
    if len(a.axes) == 1:
        return [*b.axes[:-2], b.axes[-1]]
    left, right = Tensor(a.axes[:-2], a.dtype), Tensor(b.axes[:-2], b.dtype)
    batch = broadcast(typing, left, right, typing.blend, lambda x: x, lambda y: y)
    axes = [*batch, a.axes[-2], b.axes[-1]]
    joint(typing, axes, a.axes[-1:])
    return axes


@rule("addmm", "baddbmm", "addmv")
def addmm(call: Call) -> Tensor:
    """b + x W."""
    names = [n for n in ("mat1", "batch1", "mat") if n in call.op.arguments]
    others = [n for n in ("mat2", "batch2", "vec") if n in call.op.arguments]
    axes = matrix_product(call.typing, call.tensor(names[0]), call.tensor(others[0]))
    return call.make(sum_of(call.typing, call.make(axes), call.tensor("self")))


@rule("bilinear")
def bilinear(call: Call) -> Tensor:
    """x₁ᵀ W x₂ + b."""
    x, y, weight = call.tensor("input1"), call.tensor("input2"), call.tensor("weight")
    call.typing.contract(x.axes[-1], weight.axes[1])
    call.typing.contract(y.axes[-1], weight.axes[2])
    lead = [call.typing.blend(a, b) for a, b in zip(x.axes[:-1], y.axes[:-1], strict=True)]
    joint(call.typing, [*lead, x.axes[-1], y.axes[-1]], weight.axes[:1])
    return call.make(add_bias(call, [*lead, weight.axes[0]], call.optional("bias")))


@rule("einsum")
def einsum(call: Call) -> Tensor:
    """Letters are axes: kept and shared ones are blended, summed ones contracted."""
    operands = call.tensors("tensors")
    sources, arrow, target = call.op.arguments["equation"].replace(" ", "").partition("->")
    words = sources.split(",")
    if not arrow:
        # As in NumPy: what is broadcast first, then letters that occur once, in order.
        once = sorted(x for x in set(sources) - set(",.") if sources.count(x) == 1)
        target = "..." * ("..." in sources) + "".join(once)
    letters = [_expand_dots(w, len(t.axes)) for w, t in zip(words, operands, strict=True)]
    target = _expand_dots(target, len(call.sizes))
    axes: dict[str, Terms] = {}
    for k, (tensor, word) in enumerate(zip(operands, letters, strict=True)):
        later = "".join(letters[k + 1 :]) + target
        for letter, axis in zip(word, tensor.axes, strict=True):
            _enter(call.typing, axes, letter, axis, letter in later)
    joint(call.typing, list(axes.values()), ())
    for letter in [x for x in axes if x not in target]:
        if letter not in _summed(letters):
            call.typing.restrict(axes[letter])
            call.typing.still(axes[letter])
    return call.make([axes[x] for x in target])


def _expand_dots(word: str, ndim: int) -> str:
    """Dots as letters of their own, numbered from the right, where dimensions are aligned."""
    if "..." not in word:
        return word
    missing = ndim - len(word) + 3
    return word.replace("...", "".join(chr(0x2460 + k) for k in reversed(range(missing))))


def _summed(words: list[str]) -> set[str]:
    """Letters that at least two operands have."""
    return {x for word in words for x in word if sum(x in w for w in words) > 1}


def _enter(typing: Typing, axes: dict[str, Terms], letter: str, axis: Terms, kept: bool) -> None:
    if letter not in axes:
        axes[letter] = axis
    elif size_of(axis) != size_of(axes[letter]):
        # One of them has size one and is repeated along the other.
        small, large = sorted((axis, axes[letter]), key=size_of)
        typing.pin(small)
        typing.restrict(large)
        if not kept:
            typing.still(large)
        axes[letter] = large
    elif kept:
        axes[letter] = typing.blend(axes[letter], axis)
    else:
        typing.contract(axes[letter], axis)
