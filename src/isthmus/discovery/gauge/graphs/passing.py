"""How a constant vector passes an operator: unchanged, repeated, or unseen."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import torch
from torch import Tensor

from isthmus.discovery.gauge.graphs.along import (
    AVERAGES,
    SOFTMAX,
    chosen,
    is_bare,
    passes,
    spatial,
)
from isthmus.discovery.gauge.graphs.graph import Graph
from isthmus.discovery.gauge.graphs.labels import ABSENT, only_along, varies
from isthmus.discovery.program import Op, Ref

Onward: TypeAlias = "dict[str, tuple[Tensor, float]]"

HIDDEN = -1e4
"""A score at most this is no score: its weight after softmax is zero."""

UNKNOWN = math.nan
"""A factor that depends on the input."""

_FILLS: dict[tuple[str, ...], str] = {
    ("masked_fill", "self"): "value",
    ("where", "self"): "other",
    ("where", "other"): "self",
}
"""Where scores are hidden: the operator, the argument of the scores, that of the number instead."""

RESIZES = frozenset({
    "upsample_nearest1d", "upsample_nearest2d", "upsample_bilinear2d", "upsample_bicubic2d",
})  # fmt: skip
"""Resizing: what is the same at all positions stays."""


def passed(graph: Graph, op: Op, name: str, labels: Tensor) -> Onward | None:
    """The labels of each result, with a factor; None where the operator feels the shift."""
    handler = _HANDLERS.get(op.target)
    if handler is None and op.target in (AVERAGES | RESIZES):
        handler = _pool
    return handler(graph, op, name, labels) if handler is not None else None


def unseen(graph: Graph, op: Op, name: str, labels: Tensor) -> bool:
    """Whether the operator's result does not depend on the shift at all."""
    dim = labels.dim()
    if op.target in SOFTMAX:
        return not varies(labels, int(op.arguments["dim"]) % dim)
    if op.target == "instance_norm" and op.arguments.get("use_input_stats", True):
        return not any(varies(labels, d) for d in range(2, dim))
    if is_bare(op) and op.arguments["input"] == Ref(name):
        return not varies(labels, dim - 1)
    groups = groups_of(op)
    if groups is not None and dim > 1:
        rows = labels.reshape(labels.shape[0], groups, -1)
        return op.arguments["input"] == Ref(name) and not varies(rows, 2)
    if op.target == "scaled_dot_product_attention":
        # Every score of a query is raised alike, if it is a key and nothing else.
        here = [key for key, value in op.arguments.items() if value == Ref(name)]
        keys = {"key": -2 % dim, "attn_mask": dim - 1}  # where keys stand; a mask is added
        return len(here) == 1 and here[0] in keys and not varies(labels, keys[here[0]])
    if _masked(graph, op, name, dim - 1) is not None and not varies(labels, dim - 1):
        return _lost(graph, op.outputs[0], len(graph.size(op.outputs[0])) - 1)
    return _key(graph, op, name, labels)


def groups_of(op: Op) -> int | None:
    """Into how many groups a group norm divides its channels."""
    if op.target not in ("group_norm", "native_group_norm"):
        return None
    return int(op.arguments.get("num_groups", op.arguments.get("group")))


def _key(graph: Graph, op: Op, name: str, labels: Tensor) -> bool:
    """Keys in a written-out attention: the scores of a query are all raised alike."""
    if op.target not in ("matmul", "bmm", "baddbmm") or labels.dim() < 2:
        return False
    here = [key for key, value in op.arguments.items() if value == Ref(name)]
    if here not in (["other"], ["mat2"], ["batch2"]) or varies(labels, labels.dim() - 1):
        return False
    out = op.outputs[0]
    return _lost(graph, out, len(graph.size(out)) - 1)


def _lost(graph: Graph, name: str, dim: int) -> bool:
    """Whether a change that is the same along ``dim`` is lost in a softmax, in all readers."""
    if graph.is_output(name) or not graph.readers(name):
        return False
    for op in graph.readers(name):
        onward = _masked(graph, op, name, dim) or passes(graph, op, name, dim)
        if onward is None or not all(_lost(graph, *key) for key in onward):
            return False
    return True


def _masked(graph: Graph, op: Op, name: str, dim: int) -> list[tuple[str, int]] | None:
    """Scores that are hidden stay hidden."""
    here = [key for key, value in op.arguments.items() if value == Ref(name)]
    fill = _FILLS.get((op.target, *here))
    number = op.arguments[fill] if fill is not None else None
    if not isinstance(number, (int, float)) or number > HIDDEN:
        return None
    out = op.outputs[0]
    return [(out, dim + len(graph.size(out)) - len(graph.size(name)))]


def _sum(graph: Graph, op: Op, name: str, labels: Tensor) -> Onward | None:
    here = [key for key in ("self", "other") if op.arguments.get(key) == Ref(name)]
    if len(here) != 1:
        return None
    sizes = graph.size(op.outputs[0])
    times = 1.0
    if here[0] == "other":
        times = float(op.arguments.get("alpha", 1)) * (-1.0 if op.target == "sub" else 1.0)
    return {op.outputs[0]: (labels.expand(sizes), times)}


def _product(graph: Graph, op: Op, name: str, labels: Tensor) -> Onward | None:
    number = op.arguments.get("other")
    if op.arguments.get("self") != Ref(name) or not isinstance(number, (int, float)):
        return None
    if number == 0 or op.arguments.get("rounding_mode") is not None:
        return None
    times = float(number) if op.target == "mul" else 1 / float(number)
    return {op.outputs[0]: (labels, times)}


def _cat(graph: Graph, op: Op, name: str, labels: Tensor) -> Onward | None:
    dim = int(op.arguments["dim"]) % labels.dim()
    tensors = [t for t in op.arguments["tensors"] if isinstance(t, Ref)]
    if sum(t.name == name for t in tensors) != 1:
        return None
    parts = [labels if t.name == name else torch.full(graph.size(t.name), ABSENT) for t in tensors]
    return {op.outputs[0]: (torch.cat(parts, dim), 1.0)}


def _mean(graph: Graph, op: Op, name: str, labels: Tensor) -> Onward | None:
    given: Any = op.arguments.get("dim")
    dims = [int(d) % labels.dim() for d in given or range(labels.dim())]
    if any(varies(labels, d) for d in dims):
        return None
    for d in sorted(dims, reverse=True):
        labels = labels.narrow(d, 0, 1) if op.arguments.get("keepdim") else labels.select(d, 0)
    return {op.outputs[0]: (labels, 1.0)}


def _total(graph: Graph, op: Op, name: str, labels: Tensor) -> Onward | None:
    """A sum of equal shifts is as many times the shift as there are: that may depend on the input.

    So it can be lost, but nothing makes up for it.
    """
    made = _mean(graph, op, name, labels) if op.arguments.get("dim") else None
    return made and {result: (shown, UNKNOWN) for result, (shown, _) in made.items()}


def _order(graph: Graph, op: Op, name: str, labels: Tensor) -> Onward | None:
    """What is raised alike is chosen alike: the values are raised, and the index stays."""
    dim = int(op.arguments["dim"]) % labels.dim()
    if varies(labels, dim):
        return None
    shape = graph.size(op.outputs[0])
    return {op.outputs[0]: (labels.narrow(dim, 0, 1).expand(shape), 1.0)}


def _hidden(graph: Graph, op: Op, name: str, labels: Tensor) -> Onward | None:
    """What is minus infinity instead may be raised as well."""
    if op.arguments["self"] != Ref(name) or op.arguments.get("value") != -torch.inf:
        return None
    return {op.outputs[0]: (labels.expand(graph.size(op.outputs[0])), 1.0)}


def _pool(graph: Graph, op: Op, name: str, labels: Tensor) -> Onward | None:
    padding = op.arguments.get("padding", 0)
    given = list(padding) if isinstance(padding, (list, tuple)) else [padding]
    places = spatial(op, labels.dim())
    if any(given) or any(varies(labels, d) for d in places):
        return None
    if op.arguments.get("divisor_override") is not None:
        return None  # a sum, no average
    for d in places:
        labels = labels.narrow(d, 0, 1)
    return {op.outputs[0]: (labels.expand(graph.size(op.outputs[0])), 1.0)}


def _chosen(graph: Graph, op: Op, name: str, labels: Tensor) -> Onward | None:
    """Positions that integers choose: all have the shift."""
    line = only_along(labels, labels.dim() - 1)
    if line is None or not chosen(graph, op, name):
        return None
    return {op.outputs[0]: (line.expand(graph.size(op.outputs[0])), 1.0)}


def _attention(graph: Graph, op: Op, name: str, labels: Tensor) -> Onward | None:
    """The weights of attention sum to one."""
    alone = op.arguments["query"] != Ref(name) and op.arguments["key"] != Ref(name)
    if op.arguments["value"] != Ref(name) or not alone or op.arguments.get("dropout_p"):
        return None
    return _mixed(graph, op, labels)


def _matmul(graph: Graph, op: Op, name: str, labels: Tensor) -> Onward | None:
    """Weights that sum to one, made by a softmax over the dimension that is summed."""
    second = "other" if "other" in op.arguments else "mat2"
    first = op.arguments.get("self")
    if op.arguments.get(second) != Ref(name) or not isinstance(first, Ref) or first.name == name:
        return None
    return _mixed(graph, op, labels) if _stochastic(graph, op.arguments["self"].name) else None


def _mixed(graph: Graph, op: Op, labels: Tensor) -> Onward | None:
    place = labels.dim() - 2
    if place < 0 or varies(labels, place):
        return None
    sizes = graph.size(op.outputs[0])
    heads = sizes[-3] if len(sizes) > 2 else 1
    if labels.dim() > 2 and labels.shape[-3] != heads:
        if heads % labels.shape[-3]:
            return None
        labels = labels.repeat_interleave(heads // labels.shape[-3], -3)
    return {op.outputs[0]: (labels.narrow(place, 0, 1).expand(sizes), 1.0)}


def _stochastic(graph: Graph, name: str) -> bool:
    """Whether the last dimension of a tensor is a softmax's."""
    op = graph.maker(name)
    if op is None:
        return False
    last = len(graph.size(name)) - 1
    if op.target in SOFTMAX and not op.target.startswith(("log", "_log")):
        return int(op.arguments["dim"]) % (last + 1) == last
    refs = list(op.refs())
    if len(refs) != 1:
        return False
    before = graph.size(refs[0].name)
    onward = graph.moves.carried(op, refs[0].name, before, len(before) - 1)
    return (onward or {}).get(name) == last and _stochastic(graph, refs[0].name)


_HANDLERS = {
    "add": _sum,
    "sub": _sum,
    "mul": _product,
    "div": _product,
    "cat": _cat,
    "mean": _mean,
    "sum": _total,
    "masked_fill": _hidden,
    "topk": _order,
    "sort": _order,
    "amax": _mean,
    "amin": _mean,
    "index": _chosen,
    "index_select": _chosen,
    "scaled_dot_product_attention": _attention,
    "matmul": _matmul,
    "bmm": _matmul,
}
