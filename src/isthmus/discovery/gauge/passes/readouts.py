"""Readouts: a layer norm's bias before linear operators that have none."""

from __future__ import annotations

import math
from dataclasses import replace

from isthmus.algebra.charts import Carry, Gain, Hop, Mean, Readout
from isthmus.discovery.gauge.graphs.along import is_bare
from isthmus.discovery.gauge.graphs.fates import Fate
from isthmus.discovery.gauge.graphs.free import Free, Move, because
from isthmus.discovery.gauge.graphs.graph import Graph
from isthmus.discovery.gauge.graphs.labels import ABSENT, along
from isthmus.discovery.gauge.graphs.readers import Linear, bias_of
from isthmus.discovery.gauge.passes.gains import gain, readers_along
from isthmus.discovery.gauge.passes.shifts import follow, steady
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
    fates = [_fate(graph, r) if r.op.outputs[0] in known else None for r in bare]
    _enter(graph, found[0].parameter, bias, readers, bare, core)
    for reader, fate in zip(bare, fates, strict=True):
        if fate is None or fate.felt or fate.carries:  # else its mean is lost as a whole
            graph.settled.add((reader.weight.weight, reader.weight.into))
            _free_rows(graph, reader, fate, f"{bias}.level", core)
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
        graph.steps.append(Carry(bias, taking, (Hop(layout=reader.weight),)))
    places = tuple((r.weight.weight, r.weight.into) for r in bare)
    graph.steps.append(Readout(gain_name, bias, places))
    graph.steps.append(Gain(gain_name, tuple((r.weight.weight, r.weight.into) for r in others)))
    why = because("folded into the readers of", core)
    graph.free[gain_name] = Free(size, Move.SCALE, 1.0, why)
    graph.free[f"{bias}.level"] = Free(1, Move.SCALE, 1.0, why)
    graph.free[f"{bias}.shift"] = Free(size - 1, Move.SHIFT, 0.0, why)
    graph.gone.add(bias)


def _fate(graph: Graph, reader: Linear) -> Fate:
    """What becomes of a constant in this reader's result."""
    result = reader.op.outputs[0]
    sizes = graph.size(result)
    fate = Fate(f"{reader.weight.weight}.mean", sizes[reader.result])
    follow(graph, result, along(sizes, reader.result), fate)
    return fate


def _free_rows(graph: Graph, reader: Linear, fate: Fate | None, level: str, core: Op) -> None:
    """Rows whose constants are lost or made up for later: their means are free."""
    weight = reader.weight
    sizes = graph.program.shapes[graph.name_of(weight.weight)].sizes
    if fate is None or fate.over or weight.groups > 1 or len(sizes) != 2:
        return
    rows = tuple(k for k in range(fate.size) if k not in fate.felt)
    whole = len(rows) == fate.size
    into, size = fate.source, sizes[weight.into]
    graph.steps.append(Mean(weight.weight, weight.into, into, only=None if whole else rows))
    place = {k: number for number, k in enumerate(rows)}
    for carry in fate.kept():
        first = carry.path[0].take or range(fate.size)
        hop = replace(carry.path[0], take=tuple(place.get(k, ABSENT) for k in first))
        path, times = (hop, *carry.path[1:]), carry.factor * math.sqrt(size)
        graph.steps.append(replace(carry, path=path, factor=times, unless=level))
    why = because("made up for, or lost, behind", reader.op)
    graph.free[into] = Free(len(rows), Move.SHIFT, 0.0, why)
