"""Gains: a vector that multiplies features is folded into the weights that read or write them."""

from __future__ import annotations

import math

from isthmus.algebra.charts import Gain, Offset
from isthmus.discovery.gauge.graphs.along import onward
from isthmus.discovery.gauge.graphs.chains import Vector, vector
from isthmus.discovery.gauge.graphs.free import Free, Move, because
from isthmus.discovery.gauge.graphs.graph import Graph
from isthmus.discovery.gauge.graphs.labels import counting
from isthmus.discovery.gauge.graphs.readers import Linear, bias_of, linear
from isthmus.discovery.program import Op, Ref


def fold_gains(graph: Graph) -> None:
    """Fold every gain whose readers are all linear, or whose writer is."""
    for op in graph:
        if op.target == "mul":
            found = gain(graph, op)
            if found is not None:
                _fold(graph, op, *found)


def gain(graph: Graph, op: Op) -> tuple[Vector, str, int] | None:
    """For a product with a parameter along one dimension: the gain, the other factor, where."""
    for mine, other in (("other", "self"), ("self", "other")):
        value = op.arguments.get(other)
        found = vector(graph, op.arguments.get(mine))
        if found is None or not isinstance(value, Ref) or value.name in graph.program.parameters:
            continue
        sizes = graph.size(op.outputs[0])
        if graph.size(value.name) != sizes or found.table or found.factor != 1.0:
            continue
        if found.labels.numel() != math.prod(graph.size(graph.name_of(found.parameter))):
            continue
        dim = counting(found.labels.expand(sizes)) if found.labels.numel() > 1 else None
        if dim is not None:
            return found, value.name, dim
    return None


def _fold(graph: Graph, op: Op, found: Vector, source: str, dim: int) -> None:
    places = readers_along(graph, op.outputs[0], dim)
    if places is not None:
        weights = [(p.weight.weight, p.weight.into) for p in places]
    else:
        writer = _writer(graph, source, dim, op)
        if writer is None:
            return
        weights = writer
    if found.offset:
        graph.steps.append(Offset(found.parameter, found.offset))
    graph.steps.append(Gain(found.parameter, tuple(weights)))
    graph.scaled.update(name for name, _ in weights)
    graph.bypass(op, source)
    count = found.labels.numel()
    graph.free[found.parameter] = Free(count, Move.SCALE, 1.0, because("folded at", op))


def readers_along(graph: Graph, name: str, dim: int) -> list[Linear] | None:
    """The linear operators that read a tensor along ``dim``; None if anything else reads it."""
    if graph.is_output(name) or not graph.readers(name):
        return None
    found: list[Linear] = []
    for op in graph.readers(name):
        reader = linear(graph, op)
        if reader is not None and reader.source == name:
            if reader.feature != dim or reader.weight.groups > 1:
                return None
            found.append(reader)
            continue
        results = onward(graph, op, name, dim)
        if set(results) != set(op.outputs):
            return None
        for result, at in results.items():
            more = readers_along(graph, result, at)
            if more is None:
                return None
            found += more
    return found


def _writer(graph: Graph, source: str, dim: int, product: Op) -> list[tuple[str, int]] | None:
    """The weight (and bias) that make a tensor along ``dim``, if only the product reads it."""
    reader = graph.only_reader(source)
    op = graph.maker(source)
    if reader is None or reader.outputs != product.outputs or op is None:
        return None
    while True:
        made = linear(graph, op)
        if made is not None:
            break
        refs = list(op.refs())
        if len(refs) != 1 or graph.only_reader(refs[0].name) is None or len(op.outputs) > 1:
            return None
        before = graph.size(refs[0].name)
        back = [
            d
            for d in range(len(before))
            if graph.moves.carried(op, refs[0].name, before, d) == {source: dim}
        ]
        if len(back) != 1:
            return None
        source, dim = refs[0].name, back[0]
        maker = graph.maker(source)
        if maker is None:
            return None
        op = maker
    if made.result != dim:
        return None
    weights = [(made.weight.weight, made.weight.out)]
    if made.bias and isinstance(op.arguments.get(made.bias), Ref):
        bias = bias_of(graph, made)
        if bias is None:
            return None
        weights.append((bias, 0))
    return weights
