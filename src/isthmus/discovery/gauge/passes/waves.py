"""Waves: biases in front of exponentials, cosines and sines are factors and turns behind them.

A bias before an exponential is a factor of what it makes, which linear readers can hold. One before
a cosine and a sine of the same thing turns them into each other. One before a sine alone can be
changed by half turns only: then it is left within a half turn, and how many there were is free.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from isthmus.algebra.charts import HALF_TURN, Rise, Step, Turn, Wrap
from isthmus.discovery.gauge.graphs.chains import vector
from isthmus.discovery.gauge.graphs.columns import Arrival, arrivals
from isthmus.discovery.gauge.graphs.free import Free, Move, because
from isthmus.discovery.gauge.graphs.graph import Graph
from isthmus.discovery.gauge.graphs.labels import along, moved
from isthmus.discovery.gauge.graphs.passing import passed
from isthmus.discovery.gauge.graphs.readers import Linear, bias_of, linear
from isthmus.discovery.program import Op

RISES = {"exp": 1.0, "exp2": math.log(2.0)}
"""Operators that turn sums into products, with the logarithm of their base."""

PAIRED = frozenset({"cos", "sin"})
WRAPPED = frozenset({"cos", "sin", "tan"})


@dataclass(frozen=True, slots=True)
class _Shift:
    """A parameter that is added: where, with which label for each entry and which factor."""

    parameter: str
    op: Op
    labels: Tensor
    factor: float
    reader: Linear | None

    def drop(self, graph: Graph) -> bool:
        """Take it out of the program; whether that was possible."""
        if self.reader is None:
            others = [r for r in self.op.refs() if graph.size(r.name) == self.labels.shape]
            if len(others) != 1:
                return False
            graph.bypass(self.op, others[0].name)
        elif self.reader.bias == "bias":
            graph.change(self.op, {"bias": None})
        else:
            operands = {"self": self.op.arguments["mat1"], "mat2": self.op.arguments["mat2"]}
            graph.retarget(self.op, "mm", operands)
        return True


@dataclass(frozen=True, slots=True)
class _End:
    """An operator that bends what a shift has reached, and how the shift arrives."""

    op: Op
    labels: Tensor
    factor: float


def fold_waves(graph: Graph) -> None:
    """Free every bias all of whose ends are exponentials, or cosines with their sines."""
    for shift, ends in _bent(graph):
        _free(graph, shift, ends)


def wrap_waves(graph: Graph) -> None:
    """Free the half turns of every bias all of whose ends are sines, cosines or tangents.

    This goes last: what is left of the bias stays within a half turn only if nothing is added.
    """
    for shift, ends in _bent(graph):
        _wrap(graph, shift, ends)


def _bent(graph: Graph) -> Iterator[tuple[_Shift, list[_End]]]:
    """Every bias that reaches exponentials and waves alone, with those."""
    if not any(op.target in RISES or op.target in WRAPPED for op in graph):
        return
    for op in graph:
        for shift in _shifts(graph, op):
            size = math.prod(graph.size(graph.name_of(shift.parameter)))
            if len(torch.unique(shift.labels)) != size:
                continue  # what is cut away here may be read when the input is longer
            ends = _ends(graph, op.outputs[0], shift.labels, shift.factor)
            if ends:
                yield shift, ends


def _shifts(graph: Graph, op: Op) -> Iterator[_Shift]:
    sizes = graph.size(op.outputs[0])
    reader = linear(graph, op)
    bias = bias_of(graph, reader) if reader is not None else None
    if reader is not None and bias is not None:
        yield _Shift(bias, op, along(sizes, reader.result), 1.0, reader)
    elif op.target == "add" and op.arguments.get("alpha", 1) == 1:
        for ref in op.refs():
            found = vector(graph, ref)
            if found is not None and not found.offset and not found.table:
                labels = found.labels.expand(sizes)
                yield _Shift(found.parameter, op, labels, found.factor, None)
                return


def _ends(graph: Graph, name: str, labels: Tensor, factor: float) -> list[_End] | None:
    """Every bend that a shift reaches; None if it is felt otherwise."""
    if graph.is_output(name) or not graph.readers(name) or math.isnan(factor):
        return None
    found: list[_End] = []
    for op in graph.readers(name):
        if op.target in RISES or op.target in WRAPPED:
            found.append(_End(op, labels, factor))
            continue
        onward = {k: (v, 1.0) for k, v in (moved(op, name, labels) or {}).items()}
        for result, (shown, times) in (onward or passed(graph, op, name, labels) or {}).items():
            more = _ends(graph, result, shown, factor * times)
            if more is None:
                return None
            found += more
        if not onward and passed(graph, op, name, labels) is None:
            return None
    return found


def _free(graph: Graph, shift: _Shift, ends: list[_End]) -> None:
    """Factors and turns: the bias may have any value."""
    steps: list[Step] = []
    for end in ends:
        rises = end.op.target in RISES
        more = _risen(graph, shift, end) if rises else _turned(graph, shift, end, ends)
        if more is None:
            return
        steps += more
    if not shift.drop(graph):
        return
    graph.steps += steps
    size = int(shift.labels.max()) + 1
    why = because("a factor or a turn behind", ends[0].op)
    graph.free[shift.parameter] = Free(size, Move.SHIFT, 0.0, why)


def _risen(graph: Graph, shift: _Shift, end: _End) -> list[Step] | None:
    factor = end.factor * RISES[end.op.target]
    places = _taken(graph, end)
    if places is None:
        return None
    return [Rise(shift.parameter, name, dim, take, factor) for name, dim, take in places]


def _taken(graph: Graph, end: _End) -> list[tuple[str, int, tuple[int, ...]]] | None:
    """The weights that read what a bend makes, and which entry each of their columns feels."""
    found = []
    for arrival in arrivals(graph, end.op.outputs[0]) or ():
        take = arrival.take(end.labels)
        if take is None:
            return None
        found.append((arrival.reader.weight.weight, arrival.reader.weight.into, take))
    return found or None


def _turned(graph: Graph, shift: _Shift, end: _End, ends: list[_End]) -> list[Step] | None:
    """A cosine with its sine: the turns of all that read both (told once, at the cosine)."""
    same = [e for e in ends if e.op.arguments.get("self") == end.op.arguments.get("self")]
    if sorted(e.op.target for e in same) != ["cos", "sin"]:
        return None
    if end.op.target == "sin":
        return []
    sine = next(e for e in same if e.op.target == "sin")
    first, second = (arrivals(graph, e.op.outputs[0]) for e in (end, sine))
    if not first or not second or len(first) != len(second):
        return None
    steps: list[Step] = []
    for one in first:
        two = [a for a in second if a.reader.op.outputs == one.reader.op.outputs]
        made = _pairs(shift, end, one, two[0]) if len(two) == 1 else None
        if made is None:
            return None
        steps.append(made)
    return steps


def _pairs(shift: _Shift, end: _End, one: Arrival, two: Arrival) -> Turn | None:
    """Columns that read the cosine and the sine of the same entries."""
    take, cosines, sines = one.take(end.labels), one.columns(), two.columns()
    if take is None or cosines is None or sines is None or cosines.keys() != sines.keys():
        return None
    first = tuple(cosines.values())
    second = tuple(sines[row] for row in cosines)
    weight = one.reader.weight
    entries = tuple(take[k] for k in first)
    return Turn(shift.parameter, weight.weight, weight.into, first, second, entries, end.factor)


def _wrap(graph: Graph, shift: _Shift, ends: list[_End]) -> None:
    """Half turns: the bias is left within one, and their number is free."""
    factors = {abs(end.factor) for end in ends}
    if len(factors) != 1 or any(end.op.target not in WRAPPED for end in ends):
        return
    weights: list[tuple[str, int, tuple[int, ...]]] = []
    for end in ends:
        if end.op.target == "tan":
            continue
        places = _taken(graph, end)
        if places is None:
            return
        weights += places
    size, into = int(shift.labels.max()) + 1, f"{shift.parameter}.turns"
    period = HALF_TURN / factors.pop()
    graph.steps.append(Wrap(shift.parameter, into, period, tuple(weights)))
    why = because("half turns change the sign behind", ends[0].op)
    graph.free[into] = Free(size, Move.STEP, 0.0, why)
