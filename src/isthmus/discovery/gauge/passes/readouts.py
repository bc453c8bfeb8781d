"""Readouts: a layer norm's bias before linear operators that have none."""

from __future__ import annotations

from isthmus.algebra.charts import Carry, Gain, Readout
from isthmus.discovery.gauge.graphs.along import is_bare
from isthmus.discovery.gauge.graphs.free import Free, Move, because
from isthmus.discovery.gauge.graphs.graph import Graph
from isthmus.discovery.gauge.graphs.labels import along
from isthmus.discovery.gauge.graphs.readers import Linear, bias_of
from isthmus.discovery.gauge.passes.gains import gain, readers_along
from isthmus.discovery.gauge.passes.shifts import Fate, follow, steady
from isthmus.discovery.program import Op, Ref


def fold_readouts(graph: Graph) -> None:
    """Fold gain and bias of every layer norm whose readers are all linear, some without bias."""
    for op in graph:
        if is_bare(op) and op.outputs[0] in graph.made:
            _fold(graph, op)


def _fold(graph: Graph, core: Op) -> None:
    scaled = graph.only_reader(core.outputs[0])
    added = graph.only_reader(scaled.outputs[0]) if scaled is not None else None
    if scaled is None or added is None or scaled.target != "mul" or added.target != "add":
        return
    found = gain(graph, scaled)
    bias = graph.private(added.arguments["other"])
    dim = len(core.shapes[0].sizes) - 1
    if found is None or bias is None or found[2] != dim or not found[0].whole:
        return
    readers = readers_along(graph, added.outputs[0], dim)
    if readers is None or any(len(graph.size(r.op.outputs[0])) < 1 for r in readers):
        return
    bare = [r for r in readers if bias_of(graph, r) is None]
    if not bare or any(isinstance(r.op.arguments.get(r.bias or "bias"), Ref) for r in bare):
        return
    known = steady(graph, added.outputs[0], dim)
    if any(r.op.outputs[0] not in known for r in readers if r not in bare):
        return
    kept = [r for r in bare if r.op.outputs[0] not in known or not _unfelt(graph, r)]
    graph.settled.update((r.weight.weight, r.weight.into) for r in kept)
    _enter(graph, found[0].parameter, bias, readers, bare, core)
    graph.bypass(added, scaled.outputs[0])
    graph.bypass(scaled, core.outputs[0])


def _enter(
    graph: Graph, gain_name: str, bias: str, readers: list[Linear], bare: list[Linear], core: Op
) -> None:
    size = core.shapes[0].sizes[-1]
    others = [r for r in readers if r not in bare]
    for reader in others:
        taking = bias_of(graph, reader)
        assert taking is not None
        graph.steps.append(Carry(bias, taking, reader.weight))
    places = tuple((r.weight.weight, r.weight.into) for r in bare)
    graph.steps.append(Readout(gain_name, bias, places))
    graph.steps.append(Gain(gain_name, tuple((r.weight.weight, r.weight.into) for r in others)))
    why = because("folded into the readers of", core)
    graph.free[gain_name] = Free(size, Move.SCALE, 1.0, why)
    graph.free[f"{bias}.level"] = Free(1, Move.SCALE, 1.0, why)
    graph.free[f"{bias}.shift"] = Free(size - 1, Move.SHIFT, 0.0, why)
    graph.gone.add(bias)


def _unfelt(graph: Graph, reader: Linear) -> bool:
    """Whether a constant in this reader's result is lost: then so is its mean."""
    result = reader.op.outputs[0]
    sizes = graph.size(result)
    fate = Fate("", sizes[reader.result])
    follow(graph, result, along(sizes, reader.result), fate)
    return not fate.felt and not fate.carries
