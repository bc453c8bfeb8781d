"""Means: what a layer norm takes away from its writers, and what its readers never see.

A change of a tensor that is the same along one dimension, whatever it depends on otherwise, is
lost where a layer norm or a softmax runs over that dimension. So the mean along it of every
parameter that writes there is free. Behind a layer norm features sum to zero: there the mean of
every reader's weights is free.
"""

from __future__ import annotations

import math

from isthmus.algebra.charts import Mean
from isthmus.discovery.gauge.graphs.along import LOSING, SOFTMAX, Lost, is_bare, passes
from isthmus.discovery.gauge.graphs.free import Free, Move, because
from isthmus.discovery.gauge.graphs.graph import Graph
from isthmus.discovery.gauge.graphs.labels import MOVING
from isthmus.discovery.gauge.graphs.readers import bias_of, linear
from isthmus.discovery.program import Op, Ref


def centre(graph: Graph) -> None:
    """Take the free means out of all parameters."""
    if not any(is_bare(op) or op.target in LOSING for op in graph):
        return
    lost = Lost(graph)
    for op in graph:
        reader = linear(graph, op, shared=True)
        if reader is None or not lost(op.outputs[0], reader.result):
            continue
        own = linear(graph, op) is not None
        if own and reader.weight.groups == 1:  # else results do not read the same inputs
            _split(graph, reader.weight.weight, reader.weight.out, op)
        bias = bias_of(graph, reader)
        if bias is not None:
            _split(graph, bias, 0, op)
    for op in graph:
        _lose(graph, op, lost)
    for op in graph:
        table = graph.private(op.arguments["weight"]) if op.target == "embedding" else None
        if table is not None and lost(op.outputs[0], len(op.shapes[0].sizes) - 1):
            _split(graph, table, 1, op)
    for name in list(graph.program.parameters):
        parameter = graph.private(Ref(name))
        for dim, size in enumerate(graph.size(name)):
            if parameter is not None and size > 1 and lost(name, dim) and _whole(graph, name):
                _split(graph, parameter, dim, graph.readers(name)[0])
    for op in graph:
        if is_bare(op):
            _unread(graph, op.outputs[0], len(op.shapes[0].sizes) - 1, op, set())


def _whole(graph: Graph, name: str) -> bool:
    """Whether all of a tensor is read: what is cut away here may move in other ways."""
    for op in graph.readers(name):
        if op.target not in MOVING:
            continue
        reached = sum(math.prod(graph.size(result)) for result in op.outputs)
        unread = any(not graph.readers(result) for result in op.outputs)
        if unread or reached < math.prod(graph.size(name)):
            return False
        if not all(_whole(graph, result) for result in op.outputs):
            return False
    return True


def _lose(graph: Graph, op: Op, lost: Lost) -> None:
    """A bias that is the same along another dimension, where that is lost, is free."""
    reader = linear(graph, op, shared=True)
    bias = bias_of(graph, reader) if reader is not None else None
    if reader is None or bias is None or reader.bias != "bias":
        return
    sizes = op.shapes[0].sizes
    others = [d for d, size in enumerate(sizes) if d != reader.result and size > 1]
    if not graph.centred.get(bias) and any(lost(op.outputs[0], d) for d in others):
        graph.change(op, {"bias": None})
        size = sizes[reader.result]
        graph.free[bias] = Free(size, Move.SHIFT, 0.0, because("lost in a norm behind", op))


def _split(graph: Graph, parameter: str, dim: int, op: Op) -> None:
    done = graph.centred.setdefault(parameter, set())
    if dim in done or (parameter, dim) in graph.settled:
        return
    sizes = list(graph.program.shapes[graph.name_of(parameter)].sizes)
    into = f"{parameter}.mean" + (str(dim) if f"{parameter}.mean" in graph.free else "")
    graph.steps.append(Mean(parameter, dim, into, tuple(sorted(done))))
    count = 1
    for d, size in enumerate(sizes):
        if d != dim:
            count *= size - (d in done)
    done.add(dim)
    graph.free[into] = Free(count, Move.SHIFT, 0.0, because("the mean is lost behind", op))


def _unread(graph: Graph, name: str, dim: int, core: Op, seen: set[str]) -> None:
    """Weights that read features which sum to zero."""
    if name in seen:
        return
    seen.add(name)
    for op in graph.readers(name):
        reader = linear(graph, op)
        if reader is not None and reader.source == name:
            if reader.feature == dim and reader.weight.groups == 1:
                _split(graph, reader.weight.weight, reader.weight.into, core)
            continue
        if op.target in ("add", "sub", "cat") or is_bare(op) or op.target in SOFTMAX:
            continue
        for result, at in passes(graph, op, name, dim) or ():
            _unread(graph, result, at, core, seen)
