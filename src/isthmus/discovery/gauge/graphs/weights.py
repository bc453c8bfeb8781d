"""Weights on their way to the operator that uses them: transposed, cast, or chosen by an index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from isthmus.discovery.gauge.graphs.graph import Graph
from isthmus.discovery.program import Op, Ref


@dataclass(frozen=True, slots=True)
class Weight:
    """A parameter as it arrives.

    Attributes:
        name: the parameter; unless others were allowed, it is read nowhere else.
        dims: for each dimension that was asked for, where it stands in the parameter.
        stacked: whether it holds many matrices, of which each position has its own.
    """

    name: str
    dims: tuple[int, ...]
    stacked: bool


def weight(
    graph: Graph, argument: object, dims: Sequence[int], *, shared: bool = False
) -> Weight | None:
    """The parameter that arrives at this argument, with these dimensions whole; or None.

    Args:
        shared: whether other operators may read it too.
    """
    if not isinstance(argument, Ref):
        return None
    name, places = argument.name, tuple(dims)
    while name not in graph.program.parameters:
        op = graph.maker(name)
        if op is None or len(op.outputs) != 1 or not (shared or graph.only_reader(name)):
            return None
        before = _before(graph, op, places)
        if before is None:
            return None
        name, places = before
    found = graph.floating(Ref(name)) if shared else graph.private(Ref(name))
    return None if found is None else Weight(found, places, len(graph.size(name)) > len(dims))


def _before(graph: Graph, op: Op, places: tuple[int, ...]) -> tuple[str, tuple[int, ...]] | None:
    """The tensor that an operator moves or chooses from, and where these dimensions stand in it."""
    chosen = _chosen(graph, op)
    if chosen is not None:
        source, at, width = chosen
        if any(at <= d < at + width for d in places):
            return None
        return source, tuple(d if d < at else d - width + 1 for d in places)
    refs = list(op.refs())
    if len(refs) != 1:
        return None
    source = refs[0].name
    sizes, result = graph.size(source), op.outputs[0]
    found = []
    for place in places:
        back = [
            d
            for d in range(len(sizes))
            if graph.moves.carried(op, source, sizes, d) == {result: place}
        ]
        if len(back) != 1:
            return None
        found.append(back[0])
    return source, tuple(found)


def first_chosen(graph: Graph, op: Op) -> Ref | None:
    """The tensor of which integers choose along the first dimension."""
    found = _chosen(graph, op)
    return Ref(found[0]) if found is not None and found[1] == 0 else None


def _chosen(graph: Graph, op: Op) -> tuple[str, int, int] | None:
    """For an index along one dimension: the source, that dimension, how many take its place."""
    source = op.arguments.get("self")
    if not isinstance(source, Ref):
        return None
    if op.target == "index_select":
        return source.name, int(op.arguments["dim"]) % len(graph.size(source.name)), 1
    if op.target != "index":
        return None
    there = [(k, i) for k, i in enumerate(op.arguments["indices"]) if isinstance(i, Ref)]
    if len(there) != 1 or there[0][1] == source:
        return None
    at, index = there[0]
    if graph.shapes[index.name].dtype.is_floating_point or "bool" in str(graph.shapes[index.name]):
        return None
    return source.name, at, len(graph.size(index.name))
