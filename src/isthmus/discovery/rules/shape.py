"""Views, permutations, slices and concatenations: they rename axes and forbid nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from isthmus.discovery.cuts import choose
from isthmus.discovery.nodes import Terms, size_of
from isthmus.discovery.rules.table import Call, rule
from isthmus.discovery.tensor import Tensor
from isthmus.discovery.typing import Typing


@rule("view", "reshape", "_unsafe_view", "flatten", "unflatten", "reshape_as", "view_as", "ravel")
def view(call: Call) -> Tensor:
    """Regroup row-major factors; both shapes are known, whatever the operator is called."""
    return call.make(regroup(call.typing, call.tensor("self").axes, call.sizes))


def regroup(typing: Typing, axes: Sequence[Terms], sizes: Sequence[int]) -> list[Terms]:
    """The axes of a tensor viewed in another shape."""
    out: list[Terms] = []
    source, target = list(axes), list(sizes)
    while source or target:
        taken, wanted = [source.pop(0)] if source else [], [target.pop(0)] if target else []
        while _product(taken) != _prod(wanted):
            if _product(taken) < _prod(wanted):
                taken.append(source.pop(0))
            else:
                wanted.append(target.pop(0))
        terms = [term for axis in taken for term in axis]
        pieces = typing.split(terms, wanted)
        if pieces is None:
            typing.pin(terms)
            typing.mixed([axis for axis in axes if axis not in taken], ())
            pieces = [typing.constant(n) if n != 1 else [] for n in wanted]
        out += pieces
    return out


def _product(axes: Sequence[Terms]) -> int:
    return _prod([size_of(axis) for axis in axes])


def _prod(sizes: Sequence[int]) -> int:
    out = 1
    for size in sizes:
        out *= size
    return out


@rule("permute")
def permute(call: Call) -> Tensor:
    """Any order of the axes."""
    axes = call.tensor("self").axes
    return call.make([axes[int(d) % len(axes)] for d in call.op.arguments["dims"]])


@rule("transpose", "swapaxes", "swapdims")
def transpose(call: Call) -> Tensor:
    """Two axes exchanged."""
    axes = list(call.tensor("self").axes)
    names = [n for n in call.op.arguments if n != "self"]
    if axes:
        a, b = (int(call.op.arguments[n]) % len(axes) for n in names[:2])
        axes[a], axes[b] = axes[b], axes[a]
    return call.make(axes)


@rule("t", "numpy_T", "mT", "matrix_H", "adjoint")
def reverse(call: Call) -> Tensor:
    """The last two axes exchanged (all of them reversed, for ``.T``)."""
    axes = list(call.tensor("self").axes)
    if call.op.target == "numpy_T":
        return call.make(axes[::-1])
    return call.make([*axes[:-2], *axes[-2:][::-1]])


@rule("movedim", "moveaxis")
def movedim(call: Call) -> Tensor:
    """Axes moved to other places."""
    axes = call.tensor("self").axes
    start, end = (_tuple(call.op.arguments[n]) for n in ("source", "destination"))
    order = [d for d in range(len(axes)) if d not in {s % len(axes) for s in start}]
    for source, place in sorted(zip(start, end, strict=True), key=lambda p: p[1] % len(axes)):
        order.insert(place % len(axes), source % len(axes))
    return call.make([axes[d] for d in order])


def _tuple(value: int | Sequence[int]) -> tuple[int, ...]:
    return (value,) if isinstance(value, int) else tuple(value)


@rule("squeeze", "unsqueeze")
def squeeze(call: Call) -> Tensor:
    """Axes of size one come and go."""
    return call.make(regroup(call.typing, call.tensor("self").axes, call.sizes))


@rule("expand", "expand_as", "broadcast_to")
def expand(call: Call) -> Tensor:
    """New axes along which nothing varies."""
    typing, axes = call.typing, call.tensor("self").axes
    missing = len(call.sizes) - len(axes)
    out = [typing.repeated(n) if n != 1 else [] for n in call.sizes[:missing]]
    for axis, size in zip(axes, call.sizes[missing:], strict=True):
        if size_of(axis) == size:
            out.append(axis)
            continue
        typing.pin(axis)
        out.append(typing.repeated(size))
    return call.make(out)


@rule("repeat", "tile")
def repeat(call: Call) -> Tensor:
    """Copies end to end: a new factor in front of each repeated axis."""
    typing, axes = call.typing, list(call.tensor("self").axes)
    counts = list(call.op.arguments["repeats" if call.op.target == "repeat" else "dims"])
    axes = [[] for _ in range(len(counts) - len(axes))] + axes
    counts = [1] * (len(axes) - len(counts)) + counts
    out = [
        typing.repeated(n) + axis if n != 1 else axis for n, axis in zip(counts, axes, strict=True)
    ]
    return call.make(out)


@rule("repeat_interleave")
def repeat_interleave(call: Call) -> Tensor:
    """Copies side by side: a new factor behind the repeated axis."""
    typing, x = call.typing, call.tensor("self")
    count, dim = call.get("repeats"), call.get("dim")
    if dim is None or not isinstance(count, int):
        for axis in x.axes:
            typing.pin(axis)
        return typing.inert(call.op.shapes[0])
    axes = list(x.axes)
    axes[dim] = [*axes[dim], *typing.repeated(count)]
    return call.make(axes)


@rule("select")
def select(call: Call) -> Tensor:
    """One index of one axis."""
    x = call.tensor("self")
    dim = call.dim("dim", len(x.axes))
    index = int(call.op.arguments["index"]) % x.sizes[dim]
    return call.make(take(call.typing, x.axes, dim, index))


def take(typing: Typing, axes: Sequence[Terms], dim: int, index: int) -> list[Terms]:
    """The axes of ``x[..., index, ...]``."""
    if size_of(axes[dim]) == 1:
        typing.pin(axes[dim])
        return [axis for d, axis in enumerate(axes) if d != dim]
    cut = typing.cut(axes, dim, index, index + 1)
    typing.pin(cut[dim])
    return [axis for d, axis in enumerate(cut) if d != dim]


@rule("slice", "narrow")
def slice_(call: Call) -> Tensor:
    """A range of one axis, perhaps with a step."""
    typing, x = call.typing, call.tensor("self")
    dim = call.dim("dim", len(x.axes))
    size = x.sizes[dim]
    start = min(_wrap(call.get("start", 0), size), size)
    if call.op.target == "narrow":
        return call.make(typing.cut(x.axes, dim, start, start + int(call.get("length"))))
    stop = min(_wrap(call.get("end", size), size), size)
    step = int(call.get("step", 1))
    if step == 1:
        if stop <= start:
            return call.make([*x.axes[:dim], typing.constant(0), *x.axes[dim + 1 :]])
        return call.make(typing.cut(x.axes, dim, start, stop))
    return call.make(_strided(call, x, dim, start, stop, step))


def _wrap(index: int, size: int) -> int:
    return max(index + size, 0) if index < 0 else index


def _strided(call: Call, x: Tensor, dim: int, start: int, stop: int, step: int) -> list[Terms]:
    """Every ``step``-th coordinate: a cut of the inner factor of (size/step, step)."""
    typing, size = call.typing, x.sizes[dim]
    pieces = None
    if size % step == 0 and start < step and stop > size - step:
        pieces = typing.split(x.axes[dim], [size // step, step])
    if pieces is None:
        return choose(typing, x.axes, dim, range(start, stop, step))
    axes = [*x.axes[:dim], pieces[0], pieces[1], *x.axes[dim + 1 :]]
    return take(typing, axes, dim + 1, start)


@rule("split", "split_with_sizes", "chunk", "unsafe_split", "tensor_split", "unsafe_chunk")
def split(call: Call) -> list[Tensor]:
    """Consecutive pieces of one axis; their sizes are those of the results."""
    x = call.tensor("self")
    dim = call.dim("dim", len(x.axes))
    out, start = [], 0
    for k, shape in enumerate(call.op.shapes):
        stop = start + shape.sizes[dim]
        out.append(call.make(call.typing.cut(x.axes, dim, start, stop), k))
        start = stop
    return out


@rule("unbind")
def unbind(call: Call) -> list[Tensor]:
    """Every index of one axis, each on its own."""
    x = call.tensor("self")
    dim = call.dim("dim", len(x.axes))
    return [call.make(take(call.typing, x.axes, dim, k), k) for k in range(len(call.op.shapes))]


@rule("cat", "concat", "concatenate")
def cat(call: Call) -> Tensor:
    """End to end along one axis; the others are the same."""
    tensors = [t for t in call.tensors("tensors") if 0 not in t.sizes]
    dim = call.dim("dim", len(tensors[0].axes))
    return call.make(join(call.typing, tensors, dim))


def join(typing: Typing, tensors: Sequence[Tensor], dim: int) -> list[Terms]:
    """The axes of a concatenation."""
    out = list(tensors[0].axes)
    for other in tensors[1:]:
        for d, axis in enumerate(other.axes):
            if d != dim:
                typing.tie(out[d], axis)
    out[dim] = typing.concatenate([t.axes[dim] for t in tensors])
    return out


@rule("stack")
def stack(call: Call) -> Tensor:
    """Along a new axis, whose positions are told apart."""
    tensors = call.tensors("tensors")
    dim = call.dim("dim", len(tensors[0].axes) + 1)
    wide = [
        Tensor([*t.axes[:dim], call.typing.constant(1), *t.axes[dim:]], t.dtype) for t in tensors
    ]
    return call.make(join(call.typing, wide, dim))


@rule("flip", "roll", "cumprod", "diff", "tril", "triu", "logcumsumexp", "unfold", "im2col")
def positional(call: Call) -> Tensor:
    """Operators that mix or move positions along some axes: those are fixed."""
    typing, x = call.typing, call.tensor("self")
    dims = call.get("dims", call.get("dim", call.get("dimension")))
    touched = {-1, -2} if dims is None else set(_tuple(dims))
    if call.op.target == "roll" and not touched:
        touched = set(range(len(x.axes)))  # it rolls the flattened tensor
    if call.op.target == "im2col":
        typing.pin(x.axes[-1])
        touched = set(range(-len(x.axes) + 1, 0))
    linear = call.op.target in {"flip", "roll", "cumsum", "diff", "tril", "triu", "unfold"}
    fixed = {d % len(x.axes) for d in touched}
    out: list[Terms] = []
    for d, size in enumerate(call.sizes):
        if d in fixed or d >= len(x.axes) or (len(x.axes) != len(call.sizes) and d in fixed):
            if d < len(x.axes):
                typing.pin(x.axes[d])
            out.append(typing.constant(size))
            continue
        if not linear:
            typing.restrict(x.axes[d])
            typing.still(x.axes[d])
        out.append(x.axes[d])
    return call.make(out)


@rule("diagonal")
def diagonal(call: Call) -> Tensor:
    """Two axes read together at equal positions: the same coordinates, multiplied once."""
    typing, x = call.typing, call.tensor("self")
    a, b = call.dim("dim1", len(x.axes)), call.dim("dim2", len(x.axes))
    rest = [axis for d, axis in enumerate(x.axes) if d not in (a, b)]
    if call.get("offset", 0) != 0 or x.sizes[a] != x.sizes[b]:
        typing.pin(x.axes[a])
        typing.pin(x.axes[b])
        return call.make([*rest, typing.constant(call.sizes[-1])])
    return call.make([*rest, typing.blend(x.axes[a], x.axes[b])])
