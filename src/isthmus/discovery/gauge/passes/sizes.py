"""Sizes: gains and biases that are read along other dimensions, where only their size is free.

Linear operators behind ``γ x̂ + β`` that mix positions, not features, cannot hold γ; but twice γ and
β is half of what they multiply.
"""

from __future__ import annotations

from isthmus.algebra.charts import Size
from isthmus.discovery.gauge.graphs.free import Free, Move, because
from isthmus.discovery.gauge.graphs.graph import Graph
from isthmus.discovery.gauge.graphs.labels import MOVING, same
from isthmus.discovery.gauge.graphs.readers import linear
from isthmus.discovery.gauge.passes.gains import gain
from isthmus.discovery.program import Op, Ref


def fold_sizes(graph: Graph) -> None:
    """Take the size of every such gain out."""
    for op in graph:
        found = gain(graph, op) if op.target == "mul" else None
        if found is None or not found[0].whole:
            continue
        names, last = [found[0].parameter], op
        added = graph.only_reader(op.outputs[0])
        bias = _added(graph, added, op.outputs[0]) if added is not None else None
        if added is not None and bias is not None:
            names, last = [*names, bias], added
        readers = _readers(graph, last.outputs[0])
        if not readers:
            continue
        into = f"{names[0]}.level"
        graph.steps.append(Size(tuple(names), tuple(readers), into))
        graph.free[into] = Free(1, Move.SCALE, 1.0, because("only products are seen behind", op))


def _added(graph: Graph, op: Op, name: str) -> str | None:
    """The bias that is added to a tensor."""
    if op.target != "add" or op.arguments.get("alpha", 1) != 1:
        return None
    others = [ref for ref in op.refs() if ref != Ref(name)]
    return graph.private(others[0]) if len(others) == 1 else None


def _readers(graph: Graph, name: str) -> list[str] | None:
    """The weights of the linear operators that read a tensor; None if anything else does."""
    if graph.is_output(name) or not graph.readers(name):
        return None
    found: list[str] = []
    for op in graph.readers(name):
        reader = linear(graph, op)
        if reader is not None and reader.source == name:
            found.append(reader.weight.weight)
            continue
        if op.target not in MOVING and not same(op):
            return None
        for result in op.outputs:
            more = _readers(graph, result)
            if more is None and (graph.readers(result) or graph.is_output(result)):
                return None
            found += more or []
    return found
