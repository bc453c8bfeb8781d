"""Norms that are written out: ``(x - mean(x)) · rsqrt(var(x) + ε)`` is a layer norm.

However it is spelled (a variance or a mean of squares, a product or a quotient, casts between), it
becomes the operator that it is.
"""

from __future__ import annotations

from isthmus.discovery.gauge.graphs.graph import Graph
from isthmus.discovery.gauge.graphs.labels import same
from isthmus.discovery.gauge.idioms.squares import MEAN_OF_SQUARES, squared
from isthmus.discovery.program import Op, Ref


def gather_norms(graph: Graph) -> None:
    """Rewrite every layer norm over the last axis that is written out."""
    for op in graph:
        found = _norm(graph, op) if op.target in ("mul", "div") else None
        if found is None:
            continue
        source, eps = found
        before = [graph.maker(ref.name) for ref in op.refs()]
        width = [graph.size(source)[-1]]
        bare = {"normalized_shape": width, "weight": None, "bias": None, "eps": eps}
        graph.retarget(op, "layer_norm", {"input": Ref(source), **bare})
        for maker in before:
            unread = maker is not None and not any(graph.read.get(n) for n in maker.outputs)
            if maker is not None and unread and not graph.is_output(maker.outputs[0]):
                graph.drop(maker)


def _norm(graph: Graph, op: Op) -> tuple[str, float] | None:
    """What is normalised, and ε."""
    one, two = op.arguments.get("self"), op.arguments.get("other")
    if op.arguments.get("rounding_mode") is not None:
        return None
    for centred, factor in ((one, two), (two, one)) if op.target == "mul" else ((one, two),):
        source = _centred(graph, centred)
        inner = _root(graph, factor, inverse=op.target == "mul")
        if source is None or inner is None:
            continue
        eps, added = 0.0, _made(graph, inner)
        if added is not None and added.target == "add":
            number = added.arguments.get("other")
            if not isinstance(number, (int, float)) or added.arguments.get("alpha", 1) != 1:
                continue
            eps, inner = float(number), added.arguments["self"]
        if _variance(graph, inner) == source:
            return source, eps
    return None


def _made(graph: Graph, value: object) -> Op | None:
    """The operator that computes a value, casts aside."""
    name = _plain(graph, value)
    return graph.maker(name) if name is not None else None


def _plain(graph: Graph, value: object) -> str | None:
    """The name of a value, casts aside."""
    if not isinstance(value, Ref):
        return None
    op = graph.maker(value.name)
    return _plain(graph, next(op.refs())) if op is not None and same(op) else value.name


def _over_last(graph: Graph, op: Op, name: str) -> bool:
    """Whether an operator reduces the last axis, and keeps it with size one."""
    dims, ndim = op.arguments.get("dim"), len(graph.size(name))
    listed = dims if isinstance(dims, (list, tuple)) else [dims]
    return listed in ([-1], [ndim - 1], (-1,)) and bool(op.arguments.get("keepdim"))


def _centred(graph: Graph, value: object) -> str | None:
    """The tensor from which its mean over the last axis is taken away."""
    op = _made(graph, value)
    if op is None or op.target != "sub" or op.arguments.get("alpha", 1) != 1:
        return None
    source, mean = _plain(graph, op.arguments["self"]), _made(graph, op.arguments.get("other"))
    if source is None or mean is None or mean.target not in ("mean", "var_mean"):
        return None
    if mean.target == "var_mean" and _plain(graph, op.arguments["other"]) != mean.outputs[1]:
        return None
    same_source = _plain(graph, mean.arguments["self"]) == source
    return source if same_source and _over_last(graph, mean, source) else None


def _root(graph: Graph, value: object, *, inverse: bool) -> object:
    """What is under a square root, or under the inverse of one."""
    op = _made(graph, value)
    if op is None:
        return None
    if op.target == "mul" and op.arguments.get("other") == 1:  # torch writes 1 / x so
        return _root(graph, op.arguments["self"], inverse=inverse)
    if inverse and op.target == "reciprocal":
        return _root(graph, op.arguments["self"], inverse=False)
    target, exponent = ("rsqrt", -0.5) if inverse else ("sqrt", 0.5)
    power = op.arguments.get("exponent") if op.target == "pow" else None
    return op.arguments["self"] if op.target == target or power == exponent else None


def _variance(graph: Graph, value: object) -> str | None:
    """The tensor of whose last axis this is the (biased) variance."""
    op = _made(graph, value)
    if op is None or _plain(graph, value) != op.outputs[0]:
        return None
    if op.target in ("mean", MEAN_OF_SQUARES):
        root = op.arguments["self"]
        if op.target == "mean":
            square = _made(graph, root)
            root = squared(square) if square is not None else None
        source = _centred(graph, root)
        return source if source is not None and _over_last(graph, op, source) else None
    biased = op.arguments.get("unbiased") is False or op.arguments.get("correction") == 0
    if op.target not in ("var", "var_mean") or not biased:
        return None
    source = _plain(graph, op.arguments["self"])
    return source if source is not None and _over_last(graph, op, source) else None
