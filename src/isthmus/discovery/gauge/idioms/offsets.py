"""Offsets: a parameter with a number added or multiplied is the parameter with the number in it."""

from __future__ import annotations

import math

from isthmus.algebra.charts import Multiple, Offset, Step
from isthmus.discovery.gauge.graphs.chains import vector
from isthmus.discovery.gauge.graphs.graph import Graph
from isthmus.discovery.program import Op


def fold_offsets(graph: Graph) -> None:
    """Take the number in, as in gains that are stored as their difference from one."""
    for op in graph:
        number = op.arguments.get("other")
        if not isinstance(number, (int, float)) or isinstance(number, bool):
            continue
        found = vector(graph, op.arguments.get("self"))
        if found is None or not found.whole or graph.is_output(op.outputs[0]):
            continue
        step = _step(op, found.parameter, float(number))
        if step is None or graph.size(op.outputs[0]) != graph.size(op.arguments["self"].name):
            continue
        graph.steps.append(step)
        graph.bypass(op, op.arguments["self"].name)


def _step(op: Op, parameter: str, number: float) -> Step | None:
    """What the operator does to the parameter, if it can be undone."""
    if op.target in ("add", "sub") and op.arguments.get("alpha", 1) == 1:
        return Offset(parameter, number if op.target == "add" else -number)
    kept = op.shapes[0].dtype.is_floating_point and op.arguments.get("rounding_mode") is None
    if op.target not in ("mul", "div") or not kept or number == 0 or not math.isfinite(number):
        return None
    return Multiple(parameter, number if op.target == "mul" else 1 / number)
