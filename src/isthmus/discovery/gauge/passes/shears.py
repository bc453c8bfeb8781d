"""Shears: the mean of a stream that layer norms read, where other readers see it.

Layer norms see neither the mean nor what is added to it. Linear operators that read the stream as
well can make up for both. So the mean may be stretched, and may be raised by any multiple of the
other features, in all that writes into the stream.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from isthmus.algebra.charts import Places, Shear
from isthmus.discovery.gauge.graphs.along import Lost, is_bare, onward
from isthmus.discovery.gauge.graphs.free import Free, Move, because
from isthmus.discovery.gauge.graphs.graph import Graph
from isthmus.discovery.gauge.graphs.readers import bias_of, linear
from isthmus.discovery.program import Op, Ref


@dataclass
class _Stream:
    """Tensors, each with the dimension of its features, and what writes and reads them."""

    tensors: dict[str, int] = field(default_factory=dict)
    writers: dict[tuple[str, int], None] = field(default_factory=dict)
    readers: dict[tuple[str, int], None] = field(default_factory=dict)
    pivots: list[tuple[str, int]] = field(default_factory=list)
    lost: int = 0


def fold_shears(graph: Graph) -> None:
    """Take shears and lengths of the mean out of every such stream."""
    if not any(is_bare(op) for op in graph):
        return
    lost, done = Lost(graph), set[str]()
    for op in graph:
        reader = linear(graph, op)
        if reader is None or reader.source in done:
            continue
        stream = _Stream()
        good = _written(graph, reader.source, reader.feature, stream) and _read(graph, stream, lost)
        done |= stream.tensors.keys()
        if good and stream.lost and stream.readers and stream.pivots:
            _enter(graph, stream, op)


def _enter(graph: Graph, stream: _Stream, op: Op) -> None:
    pivot = stream.pivots[0]
    places: Places = (pivot, *(place for place in stream.writers if place != pivot))
    shear, height = f"{pivot[0]}.shear", f"{pivot[0]}.height"
    graph.steps.append(Shear(places, tuple(stream.readers), shear, height))
    size = graph.program.shapes[graph.name_of(pivot[0])].sizes[pivot[1]]
    why = because("the mean is not seen by norms, and made up for in", op)
    graph.free[shear] = Free(size - 1, Move.SHIFT, 0.0, why)
    graph.free[height] = Free(1, Move.SCALE, 1.0, why)


def _written(graph: Graph, first: str, dim: int, stream: _Stream) -> bool:
    """Go back to all that writes; False where something else than a parameter does."""
    waiting = [(first, dim)]
    while waiting:
        name, at = waiting.pop()
        if name in stream.tensors:
            if stream.tensors[name] != at:
                return False
            continue
        stream.tensors[name] = at
        before = _makers(graph, name, at, stream)
        if before is None:
            return False
        waiting += before
    return True


def _makers(graph: Graph, name: str, dim: int, stream: _Stream) -> list[tuple[str, int]] | None:
    sizes = graph.size(name)
    own = graph.private(Ref(name))
    if own is not None:
        stream.writers[(own, dim)] = None
        return []
    op = graph.maker(name)
    if op is None:
        return None
    if op.target == "add" and op.arguments.get("alpha", 1) == 1:
        refs = [op.arguments["self"], op.arguments["other"]]
        if not all(isinstance(r, Ref) and len(graph.size(r.name)) > 0 for r in refs):
            return None
        shifted = [(r.name, dim - len(sizes) + len(graph.size(r.name))) for r in refs]
        whole = all(d >= 0 and graph.size(r)[d] == sizes[dim] for r, d in shifted)
        return shifted if whole else None
    return _writer(graph, op, name, dim, stream)


def _writer(
    graph: Graph, op: Op, name: str, dim: int, stream: _Stream
) -> list[tuple[str, int]] | None:
    sizes = graph.size(name)
    if op.target == "embedding":
        table = graph.private(op.arguments["weight"])
        if table is None or dim != len(sizes) - 1:
            return None
        _note(graph, stream, (table, 1))
        return []
    writer = linear(graph, op)
    if writer is None:
        refs = list(op.refs())
        if len(refs) != 1:
            return None
        count = range(len(graph.size(refs[0].name)))
        back = [d for d in count if onward(graph, op, refs[0].name, d) == {name: dim}]
        return [(refs[0].name, back[0])] if len(back) == 1 else None
    bias = op.arguments.get(writer.bias) if writer.bias else None
    if writer.result != dim or writer.weight.groups > 1:
        return None
    if isinstance(bias, Ref):
        own_bias = bias_of(graph, writer)
        if own_bias is None:
            return None
        stream.writers[(own_bias, 0)] = None
    place = (writer.weight.weight, writer.weight.out)
    if writer.source in graph.inert:
        _note(graph, stream, place)
    stream.writers[place] = None
    return []


def _note(graph: Graph, stream: _Stream, place: tuple[str, int]) -> None:
    """A writer whose columns nothing moves: it may choose. It must reach every direction."""
    sizes = graph.program.shapes[graph.name_of(place[0])].sizes
    count = 1
    for d, size in enumerate(sizes):
        count *= 1 if d == place[1] else size
    if count >= sizes[place[1]] > 2:
        stream.pivots.append(place)
    stream.writers[place] = None


def _read(graph: Graph, stream: _Stream, lost: Lost) -> bool:
    """All readers: linear ones along the features, or those that lose what is added to the mean."""
    waiting = list(stream.tensors.items())
    for name, dim in waiting:
        if graph.is_output(name):
            return False
        for op in graph.readers(name):
            reader = linear(graph, op)
            if reader is not None and reader.source == name:
                if reader.feature != dim or reader.weight.groups > 1:
                    return False
                stream.readers[(reader.weight.weight, reader.weight.into)] = None
                continue
            if all(result in stream.tensors for result in op.outputs):
                continue
            if lost.in_reader(op, name, dim):
                stream.lost += 1
                continue
            there = onward(graph, op, name, dim)
            if len(list(op.refs())) != 1 or set(there) != set(op.outputs):
                return False
            stream.tensors.update(there)
            waiting += there.items()
    return True
