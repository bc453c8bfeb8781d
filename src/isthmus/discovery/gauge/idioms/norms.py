"""Norms with gain and bias as three operators, so that each can be moved on its own."""

from __future__ import annotations

from isthmus.discovery.gauge.graphs.graph import Graph
from isthmus.discovery.program import Op, Ref

LAYER_NORMS = frozenset({"layer_norm", "rms_norm"})


def expand_norms(graph: Graph) -> None:
    """``norm(x, γ, β)`` becomes ``norm(x) · γ + β``."""
    for op in graph:
        if op.target in LAYER_NORMS and isinstance(op.arguments.get("weight"), Ref):
            _expand(graph, op)


def _expand(graph: Graph, op: Op) -> None:
    weight, bias = op.arguments["weight"], op.arguments.get("bias")
    core = op.outputs[0]
    bare = {"weight": None} if bias is None else {"weight": None, "bias": None}
    op = graph.change(op, bare)
    name = f"{core}.gain"
    graph.rename_reads(core, name)
    last = graph.insert_after(op, "mul", {"self": Ref(core), "other": weight}, name)
    if isinstance(bias, Ref):
        sum_name = f"{core}.bias"
        graph.rename_reads(name, sum_name, but=())
        graph.insert_after(last, "add", {"self": Ref(name), "other": bias, "alpha": 1}, sum_name)
