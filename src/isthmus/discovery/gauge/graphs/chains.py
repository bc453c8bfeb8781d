"""Chains: a parameter on its way to where it is used, with nothing but moves in between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from isthmus.discovery.gauge.graphs.graph import Graph
from isthmus.discovery.gauge.graphs.labels import along
from isthmus.discovery.gauge.graphs.readers import bias_of, linear
from isthmus.discovery.program import Op, Ref


@dataclass(frozen=True, slots=True)
class Vector:
    """A parameter as it arrives at an operator: its entries, a factor, a number added.

    ``table`` is set for an embedding, whose rows are chosen by integers: then labels are columns.
    """

    parameter: str
    labels: Tensor
    factor: float = 1.0
    offset: float = 0.0
    table: bool = False

    @property
    def whole(self) -> bool:
        """Whether it arrives as it is stored."""
        return self.factor == 1.0 and self.offset == 0.0 and not self.table


def vector(graph: Graph, argument: Any) -> Vector | None:
    """A parameter that arrives at this argument and nowhere else, or None."""
    if not isinstance(argument, Ref):
        return None
    if argument.name in graph.program.parameters:
        found = graph.private(argument)
        if found is None:
            return None
        sizes = graph.size(argument.name)
        return Vector(found, torch.arange(max(1, _count(sizes))).view(sizes))
    maker = graph.maker(argument.name)
    if maker is None or graph.only_reader(argument.name) is None:
        return None
    return _through(graph, maker, argument.name)


def _count(sizes: tuple[int, ...]) -> int:
    return int(torch.Size(sizes).numel())


def _through(graph: Graph, op: Op, result: str) -> Vector | None:
    number = op.arguments.get("other")
    plain = isinstance(number, (int, float)) and not isinstance(number, bool)
    if op.target in ("add", "mul") and plain and op.arguments.get("alpha", 1) == 1:
        before = vector(graph, op.arguments["self"])
        if before is None or before.offset:
            return None
        if op.target == "add":
            same = before.factor == 1.0 and not before.table
            return _with(before, offset=float(number)) if same else None  # type: ignore[arg-type]
        return _with(before, factor=before.factor * float(number))  # type: ignore[arg-type]
    refs = list(op.refs())
    if len(refs) != 1:
        return None
    before = vector(graph, refs[0])
    if before is None:
        return None
    made = graph.moves.moved(op, refs[0].name, before.labels)
    return None if made is None else _with(before, labels=made[result])


def _with(before: Vector, **changes: Any) -> Vector:
    fields = {k: getattr(before, k) for k in ("parameter", "labels", "factor", "offset", "table")}
    return Vector(**{**fields, **changes})


def addends(graph: Graph, argument: Any) -> list[Vector]:
    """Parameters that are added into this argument alone: biases, tables, vectors, through sums."""
    direct = vector(graph, argument)
    if direct is not None:
        return [direct] if not direct.offset else []
    if not isinstance(argument, Ref) or graph.only_reader(argument.name) is None:
        return []
    op = graph.maker(argument.name)
    if op is None:
        return []
    sizes = graph.size(argument.name)
    if op.target == "embedding":
        table = graph.private(op.arguments["weight"])
        settled = table is None or 0 in graph.centred.get(table, ())
        return [] if settled else [Vector(str(table), along(sizes, len(sizes) - 1), table=True)]
    if op.target == "add" and op.arguments.get("alpha", 1) == 1:
        both = addends(graph, op.arguments["self"]) + addends(graph, op.arguments["other"])
        return [_with(v, labels=v.labels.expand(sizes)) for v in both]
    reader = linear(graph, op, shared=True)
    if reader is not None:
        bias = bias_of(graph, reader)
        return [Vector(bias, along(sizes, reader.result))] if bias is not None else []
    refs = list(op.refs())
    if len(refs) != 1:
        return []
    found = []
    for before in addends(graph, refs[0]):
        made = graph.moves.moved(op, refs[0].name, before.labels.expand(graph.size(refs[0].name)))
        if made is not None:
            found.append(_with(before, labels=made[argument.name]))
    return found
