"""Shifts: biases that later biases make up for, or that nothing ever sees.

A constant added to a tensor is followed to where it ends: in a linear operator whose own bias can
take it up, in a softmax that does not see it, in a statistic that is subtracted, or in an operator
that feels it. A bias all of whose ends are of the first kinds is free.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from heapq import heappop, heappush
from typing import TypeAlias

import torch
from torch import Tensor

from isthmus.algebra.charts import Hop, Mean, Part
from isthmus.discovery.gauge.graphs.chains import addends, vector
from isthmus.discovery.gauge.graphs.fates import Fate
from isthmus.discovery.gauge.graphs.free import Free, Move, because
from isthmus.discovery.gauge.graphs.graph import Graph
from isthmus.discovery.gauge.graphs.labels import ABSENT, along, only_along
from isthmus.discovery.gauge.graphs.matching import matched
from isthmus.discovery.gauge.graphs.passing import passed, unseen
from isthmus.discovery.gauge.graphs.readers import Linear, bias_of, linear
from isthmus.discovery.gauge.graphs.weights import first_chosen
from isthmus.discovery.gauge.idioms.rotary import ROTARY
from isthmus.discovery.program import Op, Ref

Way: TypeAlias = "tuple[str, Tensor, float]"
"""A tensor, which entries of a shift stand where in it, and a factor."""

BATCH_NORMS = frozenset({"batch_norm", "_native_batch_norm_legit_no_training", "cudnn_batch_norm"})


def fold_shifts(graph: Graph) -> None:
    """Free every bias whose shift is made up for or lost."""
    for op in graph:
        if op.outputs[0] not in graph.made:
            continue
        _bias(graph, op)
        if op.target in ("embedding", "index", "index_select"):
            _table(graph, op)
        elif op.target in ("add", "cat"):
            for ref in list(op.refs()):
                _added(graph, op, ref)
        elif op.target in ("lstm", "gru", "rnn_tanh", "rnn_relu"):
            _recurrent(graph, op)


def _bias(graph: Graph, op: Op) -> None:
    """The bias of a linear operator."""
    reader = linear(graph, op, shared=True)
    bias = bias_of(graph, reader) if reader is not None else None
    if reader is None or bias is None:
        return
    sizes = graph.size(op.outputs[0])
    fate = Fate(bias, sizes[reader.result])
    follow(graph, op.outputs[0], along(sizes, reader.result), fate)
    if _settle(graph, fate, op):
        if reader.bias == "bias":
            graph.change(op, {"bias": None})
        else:
            operands = {"self": op.arguments["mat1"], "mat2": op.arguments["mat2"]}
            graph.retarget(op, "mm", operands)


def _added(graph: Graph, op: Op, ref: Ref) -> None:
    """A parameter that is added, or laid beside other tensors."""
    found = vector(graph, ref)
    if found is None or found.offset or found.table:
        return
    size = math.prod(graph.size(graph.name_of(found.parameter)))
    # What is cut away here may be read when the input is longer.
    missing = set(range(size)) - set(found.labels.flatten().tolist())
    fate = Fate(found.parameter, size, found.factor, missing)
    _travel(graph, step(graph, op, ref.name, found.labels, fate), fate)
    if _settle(graph, fate, op) and op.target == "add":
        others = [r for r in op.refs() if r != ref]
        same = bool(others) and graph.size(others[0].name) == graph.size(op.outputs[0])
        if same:
            graph.bypass(graph.ops[graph.made[op.outputs[0]]], others[0].name)


def _table(graph: Graph, op: Op) -> None:
    """What all rows of a table share, of which integers choose some."""
    ref = op.arguments["weight"] if op.target == "embedding" else first_chosen(graph, op)
    table = graph.private(ref)
    if (
        table is None
        or ref is None
        or len(graph.size(ref.name)) != 2
        or 0 in graph.centred.get(table, ())
    ):
        return
    sizes = graph.size(op.outputs[0])
    rows = graph.size(ref.name)[0]
    into = f"{table}.shift"
    fate = Fate(into, sizes[-1], 1 / rows**0.5)
    follow(graph, op.outputs[0], along(sizes, len(sizes) - 1), fate)
    if fate.felt:
        return
    graph.steps += [Mean(table, 0, into), *fate.carries]
    graph.centred.setdefault(table, set()).add(0)
    graph.free[into] = Free(sizes[-1], Move.SHIFT, 0.0, because("made up for, or lost, behind", op))


def _recurrent(graph: Graph, op: Op) -> None:
    """Two biases that are only ever added: all of them, or those of a GRU's gates."""
    refs = [r for r in op.arguments.get("params") or [] if isinstance(r, Ref)]
    for ref in refs:
        name = graph.parameter(ref.name) or ""
        if "bias_hh" not in name or graph.private(ref) is None:
            continue
        partner = next(
            (r for r in refs if graph.parameter(r.name) == name.replace("bias_hh", "bias_ih")), None
        )
        if partner is None or graph.private(partner) is None:
            continue
        size = graph.size(ref.name)[0]
        count = size if op.target != "gru" else 2 * size // 3
        fate = Fate(name, size, felt=set(range(count, size)))
        fate.carry(graph, str(graph.parameter(partner.name)), Hop(), 1.0)
        _settle(graph, fate, op, part=True)


def _settle(graph: Graph, fate: Fate, op: Op, *, part: bool = False) -> bool:
    """Enter what is free into the chart; whether that is the whole parameter."""
    into = f"{fate.source}.shift"
    kept = [k for k in range(fate.size) if k not in fate.felt]
    if not kept or into in graph.free:
        return False
    whole = len(kept) == fate.size
    graph.steps += fate.kept()
    why = because("made up for, or lost, behind", op)
    if whole and not part:
        graph.free[fate.source] = Free(fate.size, Move.SHIFT, 0.0, why)
        return True
    graph.steps.append(Part(fate.source, into, tuple(kept)))
    graph.free[into] = Free(len(kept), Move.SHIFT, 0.0, why)
    return False


def follow(graph: Graph, name: str, labels: Tensor, fate: Fate, factor: float = 1.0) -> None:
    """Follow a shift of a tensor through all operators that read it."""
    _travel(graph, [(name, labels, factor)], fate)


def _travel(graph: Graph, ways: Sequence[Way], fate: Fate) -> None:
    """In the program's order: what comes to a tensor by several ways is summed and goes on once."""
    waiting: dict[tuple[str, int], Way] = {}
    queue: list[tuple[tuple[int, ...], str, int]] = []
    onward = list(ways)
    while True:
        for name, labels, factor in onward:
            shown = graph.moves.one(labels)
            key = (name, id(shown))
            if key not in waiting:
                heappush(queue, (graph.place(graph.made[name]), *key))
            waiting[key] = (name, shown, factor + waiting.get(key, (name, shown, 0.0))[2])
        if not queue or fate.over:
            return
        name, labels, factor = waiting.pop(heappop(queue)[1:])
        if graph.is_output(name):
            fate.feel(labels)
        readers = graph.readers(name)
        onward = [way for op in readers for way in step(graph, op, name, labels, fate, factor)]


def steady(graph: Graph, name: str, dim: int) -> set[str]:
    """The readers to which a constant comes as a constant: the same everywhere, no zeros around."""
    sizes = graph.size(name)
    fate = Fate("", sizes[dim] + 1)  # never all felt: every reader is looked for
    follow(graph, name, along(sizes, dim), fate)
    return fate.met


def step(
    graph: Graph, op: Op, name: str, labels: Tensor, fate: Fate, factor: float = 1.0
) -> Sequence[Way]:
    """Follow a shift through one operator: where it goes on."""
    made = graph.moves.moved(op, name, labels)
    if made is not None:
        return [(result, onward, factor) for result, onward in made.items()]
    reader = linear(graph, op, shared=True)
    if reader is not None and reader.source == name:
        _read(graph, reader, labels, fate, factor)
        return []
    if op.target in BATCH_NORMS and _statistic(graph, op, name, labels, fate, factor):
        return []
    if op.target in ("add", "sub") and _meet(graph, op, name, labels, fate, factor):
        return []
    if op.target == ROTARY:
        return [(op.outputs[0], _unturned(op, labels, fate), factor)]
    through = passed(graph, op, name, labels)
    if through is None:
        if not unseen(graph, op, name, labels):
            fate.feel(labels)
        return []
    return [(result, shown, factor * times) for result, (shown, times) in through.items()]


def _unturned(op: Op, labels: Tensor, fate: Fate) -> Tensor:
    """Coordinates that are turned by place feel a shift; the others pass."""
    start, count = int(op.arguments["start"]), 2 * int(op.arguments["planes"])
    parts = [start, count, labels.shape[-1] - start - count]
    left, turned, right = torch.split(labels, parts, -1)
    fate.feel(turned)
    return torch.cat([left, torch.full_like(turned, ABSENT), right], -1)


def _read(graph: Graph, reader: Linear, labels: Tensor, fate: Fate, factor: float) -> None:
    """A linear operator: its bias takes the shift up; without one, what it makes goes on."""
    take = only_along(labels, reader.feature)
    if take is None or reader.padded or reader.stacked:
        fate.feel(labels)
        return
    result = reader.op.outputs[0]
    fate.met.add(result)
    bias = bias_of(graph, reader) or _apart(graph, reader)
    hop, times = Hop(tuple(take.tolist()), reader.weight), factor * fate.factor
    if bias is not None and bias != fate.source:
        fate.carry(graph, bias, hop, times)
        return
    sizes = graph.size(result)
    rest = Fate(fate.source, sizes[reader.result])
    follow(graph, result, along(sizes, reader.result), rest)
    if rest.felt or (rest.carries and math.isnan(times)):
        fate.feel(labels)
        return
    for carry in rest.carries:
        path = (hop, *carry.path)
        fate.carries.append(replace(carry, path=path, factor=carry.factor * times))


def _apart(graph: Graph, reader: Linear) -> str | None:
    """A bias written apart: a vector that is added to what the operator makes, and to no other."""
    result = reader.op.outputs[0]
    op, sizes = graph.only_reader(result), graph.size(result)
    if op is None or op.target != "add" or op.arguments.get("alpha", 1) != 1:
        return None
    for ref in op.refs():
        found = vector(graph, ref) if ref.name != result else None
        if found is None or not found.whole or graph.size(op.outputs[0]) != sizes:
            continue
        size = math.prod(graph.size(graph.name_of(found.parameter)))
        shown = only_along(found.labels.expand(sizes), reader.result)
        if shown is not None and torch.equal(shown, torch.arange(size)):
            return found.parameter
    return None


def _statistic(graph: Graph, op: Op, name: str, labels: Tensor, fate: Fate, factor: float) -> bool:
    """A running mean is subtracted: it takes the shift up."""
    mean = graph.private(op.arguments.get("running_mean"))
    take = only_along(labels, 1)
    if mean is None or take is None or op.arguments["input"] != Ref(name):
        return False
    if op.arguments.get("training"):
        return False
    fate.carry(graph, mean, Hop(tuple(take.tolist())), -factor * fate.factor)
    return True


def _meet(graph: Graph, op: Op, name: str, labels: Tensor, fate: Fate, factor: float) -> bool:
    """In a sum, a parameter that is added on the other side takes the shift up."""
    if op.target != "add" or op.arguments.get("alpha", 1) != 1:
        return False
    sizes = graph.size(op.outputs[0])
    for ref in op.refs():
        if ref.name == name:
            continue
        for other in addends(graph, ref):
            if other.parameter == fate.source or other.parameter in graph.free:
                continue
            shape = graph.size(graph.name_of(other.parameter))
            shape = shape[-1:] if other.table else shape
            take = matched(other.labels.expand(sizes), labels.expand(sizes), shape)
            if take is not None:
                times = factor * fate.factor / other.factor
                fate.carry(graph, other.parameter, Hop(take), times)
                return True
    return False
