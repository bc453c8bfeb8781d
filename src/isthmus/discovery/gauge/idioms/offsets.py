"""Offsets: a parameter to which a number is added is the parameter with the number in it."""

from __future__ import annotations

from isthmus.algebra.charts import Offset
from isthmus.discovery.gauge.graphs.chains import vector
from isthmus.discovery.gauge.graphs.graph import Graph


def fold_offsets(graph: Graph) -> None:
    """Take the number in, as in gains that are stored as their difference from one."""
    for op in graph:
        number, times = op.arguments.get("other"), op.arguments.get("alpha", 1)
        plain = isinstance(number, (int, float)) and not isinstance(number, bool)
        if op.target not in ("add", "sub") or not plain or times != 1:
            continue
        found = vector(graph, op.arguments["self"])
        if found is None or not found.whole or graph.is_output(op.outputs[0]):
            continue
        if graph.size(op.outputs[0]) != graph.size(op.arguments["self"].name):
            continue
        assert isinstance(number, (int, float))
        amount = float(number) if op.target == "add" else -float(number)
        graph.steps.append(Offset(found.parameter, amount))
        graph.bypass(op, op.arguments["self"].name)
