"""Levels: the length of a residual stream that only norms without epsilon read.

Such norms do not feel it, so all that writes into the stream may grow together. An epsilon that is
not negligible breaks this: then it is no symmetry, and nothing is claimed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from isthmus.algebra.charts import Size
from isthmus.discovery.gauge.graphs.chains import vector
from isthmus.discovery.gauge.graphs.free import Free, Move, because
from isthmus.discovery.gauge.graphs.graph import Graph
from isthmus.discovery.gauge.graphs.labels import MOVING, same
from isthmus.discovery.gauge.graphs.readers import bias_of, linear
from isthmus.discovery.gauge.idioms.squares import MEAN_OF_SQUARES
from isthmus.discovery.precision import NEGLIGIBLE
from isthmus.discovery.program import Op, Ref


@dataclass
class _Stream:
    """All tensors that one addition after another joins, and the parameters that write them."""

    tensors: set[str] = field(default_factory=set)
    writers: dict[str, None] = field(default_factory=dict)
    norms: int = 0


def free_levels(graph: Graph) -> None:
    """Take the length of every such stream out of its writers."""
    done: set[str] = set()
    for op in graph:
        if op.target not in ("rms_norm", "layer_norm", MEAN_OF_SQUARES):
            continue
        source = op.arguments["self" if op.target == MEAN_OF_SQUARES else "input"].name
        if source in done:
            continue
        stream = _Stream()
        good = _gather(graph, source, stream)
        done |= stream.tensors
        if good and stream.norms and len(stream.writers) > 1:
            into = f"{next(iter(stream.writers))}.level"
            graph.steps.append(Size(tuple(stream.writers), (), into, signed=False))
            why = because("the length is not felt by", op)
            graph.free[into] = Free(1, Move.STRETCH, 1.0, why)


def _gather(graph: Graph, first: str, stream: _Stream) -> bool:
    """Follow a stream both ways; False where anything else feels or makes it."""
    waiting = [first]
    while waiting:
        name = waiting.pop()
        if name in stream.tensors:
            continue
        stream.tensors.add(name)
        before = _made(graph, name, stream)
        if before is None or graph.is_output(name):
            return False
        waiting += before
        for op in graph.readers(name):
            after = _read(graph, op, name, stream)
            if after is None:
                return False
            waiting += after
    return True


def _made(graph: Graph, name: str, stream: _Stream) -> list[str] | None:
    """The tensors of the stream from which this one is made; writers are noted."""
    found = vector(graph, Ref(name)) if name not in graph.inert else None
    if found is not None:
        stream.writers[found.parameter] = None
        return []
    op = graph.maker(name)
    if op is None:
        return None
    if op.target == "add":
        refs = [op.arguments["self"], op.arguments["other"]]
        return [r.name for r in refs] if all(isinstance(r, Ref) for r in refs) else None
    if op.target in MOVING or same(op):
        return [ref.name for ref in op.refs()]
    if op.target == "embedding":
        table = graph.private(op.arguments["weight"])
        stream.writers.update({} if table is None else {table: None})
        return None if table is None else []
    writer = linear(graph, op)
    if writer is None:
        return None
    stream.writers[writer.weight.weight] = None
    if writer.bias and isinstance(op.arguments.get(writer.bias), Ref):
        bias = bias_of(graph, writer)
        if bias is None:
            return None
        stream.writers[bias] = None
    return []


def _read(graph: Graph, op: Op, name: str, stream: _Stream) -> list[str] | None:
    """The tensors of the stream that an operator makes of one; None if it feels its length."""
    if op.target == "add" or op.target in MOVING or same(op):
        return list(op.outputs)
    if op.target in ("rms_norm", "layer_norm"):
        stream.norms += 1
        eps = op.arguments.get("eps")
        bare = not isinstance(op.arguments.get("weight"), Ref)
        return [] if bare and eps is not None and eps <= NEGLIGIBLE else None
    if op.target == MEAN_OF_SQUARES:
        stream.norms += 1
        return [] if _inverse(graph, op) is not None else None
    if op.target == "mul":
        others = [r.name for r in op.refs() if r.name != name]
        if len(others) == 1 and _length(graph, others[0]) == name:
            return []
    return None


def _inverse(graph: Graph, op: Op) -> str | None:
    """The tensor 1/√(mean square + ε), if the mean square goes there alone and ε is negligible."""
    after = graph.only_reader(op.outputs[0])
    if after is not None and after.target == "add":
        eps = after.arguments.get("other")
        small = isinstance(eps, (int, float)) and abs(eps) <= NEGLIGIBLE
        after = graph.only_reader(after.outputs[0]) if small else None
    return after.outputs[0] if after is not None and after.target == "rsqrt" else None


def _length(graph: Graph, name: str) -> str | None:
    """The tensor of whose mean square this is the inverse root."""
    op = graph.maker(name)
    while op is not None and op.target in ("rsqrt", "add"):
        op = graph.maker(next(iter(op.refs())).name)
    if op is None or op.target != MEAN_OF_SQUARES or _inverse(graph, op) != name:
        return None
    source: str = op.arguments["self"].name
    return source
