"""Taps: readers of a layer norm whose gain must stay, because others read it too.

Behind ``γ x̂ + β`` a reader does not see ``a (1/γ)ᵀ``, but for a constant that its bias takes up
(post-norm transformers).
"""

from __future__ import annotations

from isthmus.algebra.charts import Tap
from isthmus.discovery.gauge.graphs.along import is_bare, onward
from isthmus.discovery.gauge.graphs.free import Free, Move, because
from isthmus.discovery.gauge.graphs.graph import Graph
from isthmus.discovery.gauge.graphs.readers import Linear, bias_of, linear
from isthmus.discovery.gauge.passes.gains import gain
from isthmus.discovery.gauge.passes.shifts import steady
from isthmus.discovery.program import Op


def tap(graph: Graph) -> None:
    """Take the unseen direction out of every such reader."""
    for core in graph:
        scaled = graph.only_reader(core.outputs[0]) if is_bare(core) else None
        if scaled is None or scaled.target != "mul":
            continue
        dim = len(core.shapes[0].sizes) - 1
        found = gain(graph, scaled)
        if found is None or found[2] != dim or not found[0].whole:
            continue
        added = graph.only_reader(scaled.outputs[0]) or scaled
        bias = graph.private(added.arguments.get("other")) if added.target == "add" else None
        last = added if bias is not None else scaled
        known = steady(graph, last.outputs[0], dim)
        for reader in _readers(graph, last.outputs[0], dim, set()):
            if bias is not None and reader.op.outputs[0] not in known:
                continue  # no constant for its bias to take up
            _tap(graph, reader, found[0].parameter, bias, core)


def _readers(graph: Graph, name: str, dim: int, seen: set[str]) -> list[Linear]:
    """The linear operators among those that read a tensor along ``dim``."""
    if name in seen:
        return []
    seen.add(name)
    found: list[Linear] = []
    for op in graph.readers(name):
        reader = linear(graph, op)
        if reader is not None and reader.source == name:
            if reader.feature == dim and reader.weight.groups == 1 and not reader.padded:
                found.append(reader)
            continue
        there = onward(graph, op, name, dim)
        for result, at in there.items():
            found += _readers(graph, result, at, seen)
    return found


def _tap(graph: Graph, reader: Linear, gain_name: str, bias: str | None, core: Op) -> None:
    target = bias_of(graph, reader)
    if bias is not None and target is None:
        return
    weight = reader.weight
    into = f"{weight.weight}.mean"
    size = 1
    for d, n in enumerate(graph.program.shapes[graph.name_of(weight.weight)].sizes):
        size *= 1 if d == weight.into else n
    if size != graph.size(reader.op.outputs[0])[reader.result]:
        return  # a kernel over several positions
    done = graph.centred.get(weight.weight, set())
    if (weight.weight, weight.into) in graph.settled or not done <= {weight.out}:
        return
    centred = bool(done)
    if into in graph.free:
        into = f"{into}.seen"
    taken = target if bias is not None else None
    graph.steps.append(
        Tap(weight.weight, weight.into, gain_name, bias, taken, into, centred=centred)
    )
    graph.settled.add((weight.weight, weight.into))
    graph.free[into] = Free(
        size - centred, Move.SHIFT, 0.0, because("features sum to zero behind", core)
    )
