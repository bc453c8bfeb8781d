"""Fixed places and numbers: tensors that the program holds are what they say.

An index by integers that count evenly is a slice; what stands in hidden places is a number.
"""

from __future__ import annotations

import torch
from torch import Tensor

from isthmus.discovery.gauge.graphs.constants import Constants
from isthmus.discovery.gauge.graphs.graph import Graph
from isthmus.discovery.program import Op, Ref

FILLS = {
    ("where", "self"): torch.ops.aten.where.ScalarSelf,
    ("where", "other"): torch.ops.aten.where.ScalarOther,
    ("masked_fill", "value"): torch.ops.aten.masked_fill.Scalar,
}
"""Arguments that may be a tensor of one number, with the overload that takes the number."""


def read_fixed(graph: Graph) -> None:
    """Rewrite every such operator."""
    constants = Constants(graph)
    for op in graph:
        for (target, argument), overload in FILLS.items():
            filled = op.arguments.get(argument)
            if op.target == target and isinstance(filled, Ref) and filled.name in graph.inert:
                number = _number(graph, constants, filled.name)
                if number is not None:
                    arguments = {**op.arguments, argument: number}
                    graph.retarget(op, target, arguments, overload)
                    break
        found = _one(op)
        if found is None or found[1].name not in graph.inert:
            continue
        source, index, dim = found
        places = constants.value(index.name)
        span = None if places is None else _evenly(places, graph.size(source.name)[dim])
        if span is not None:
            names = ("start", "end", "step")
            arguments = {"self": source, "dim": dim, **dict(zip(names, span, strict=True))}
            graph.retarget(op, "slice", arguments, torch.ops.aten.slice.Tensor)


def _number(graph: Graph, constants: Constants, name: str) -> float | None:
    """The one number that a constant of floating point numbers holds."""
    alone = graph.size(name) == () and graph.shapes[name].dtype.is_floating_point
    value = constants.value(name) if alone else None
    return None if value is None else float(value)


def _one(op: Op) -> tuple[Ref, Ref, int] | None:
    """What is read, by which integers, along which dimension, if it is one."""
    source = op.arguments.get("self")
    if op.target == "index_select":
        index, dim = op.arguments["index"], int(op.arguments["dim"])
        return source, index, dim % len(op.shapes[0].sizes)  # type: ignore[return-value]
    if op.target != "index" or not isinstance(source, Ref):
        return None
    there = [(k, i) for k, i in enumerate(op.arguments["indices"]) if isinstance(i, Ref)]
    return (source, there[0][1], there[0][0]) if len(there) == 1 else None


def _evenly(places: Tensor, size: int) -> tuple[int, int, int] | None:
    """Start, end and step, if the places rise by the same step each time."""
    if places.dim() != 1 or places.dtype not in (torch.int32, torch.int64) or not len(places):
        return None
    listed = [int(k) % size for k in places]
    step = listed[1] - listed[0] if len(listed) > 1 else 1
    span = range(listed[0], listed[-1] + 1, step) if step > 0 else range(0)
    return (span.start, span.stop, step) if list(span) == listed else None
