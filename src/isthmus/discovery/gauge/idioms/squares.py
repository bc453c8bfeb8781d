"""Mean squares: a sum over squares does not see rotations, though squaring does.

Norms written out (``x * rsqrt(mean(x²) + ε)``) become an operator of their own, so that they are
typed as the norms they are.
"""

from __future__ import annotations

from isthmus.discovery.gauge.graphs.graph import Graph
from isthmus.discovery.program import Op, Ref

MEAN_OF_SQUARES = "isthmus.mean_of_squares"
"""The mean or sum of squares over some dimensions; arguments ``self``, ``dim``, ``keepdim``."""


def gather_squares(graph: Graph) -> None:
    """Rewrite ``mean(x²)`` and ``sum(x²)``, where nothing else reads the square."""
    for op in graph:
        if op.target not in ("mean", "sum") or not op.arguments.get("dim"):
            continue
        source = op.arguments["self"]
        square = graph.maker(source.name)
        if square is None or graph.only_reader(source.name) is None:
            continue
        root = squared(square)
        if root is None or root.name in graph.inert:
            continue
        graph.retarget(op, MEAN_OF_SQUARES, {**op.arguments, "self": root})
        if not graph.read.get(source.name):
            graph.drop(square)


def squared(op: Op) -> Ref | None:
    """What is squared."""
    given = op.arguments.get("self")
    if op.target == "square" or (op.target == "pow" and op.arguments.get("exponent") == 2):
        return given if isinstance(given, Ref) else None
    if op.target == "mul" and isinstance(given, Ref) and op.arguments.get("other") == given:
        return given
    return None
