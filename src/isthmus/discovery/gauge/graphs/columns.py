"""Columns: where the entries of a tensor stand among the features that linear operators read."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from isthmus.discovery.gauge.graphs.graph import Graph
from isthmus.discovery.gauge.graphs.labels import ABSENT, moved, only_along
from isthmus.discovery.gauge.graphs.readers import Linear, linear
from isthmus.discovery.program import Op, Ref

LARGEST = 1 << 22
"""Tensors with more entries are not followed."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A linear operator, and for every entry that it reads which one of the tensor that is.

    ``places`` has the shape of what the operator reads; entries of other tensors are absent.
    """

    reader: Linear
    places: Tensor

    def take(self, labels: Tensor) -> tuple[int, ...] | None:
        """For each column the label of the entries that it reads, if they all have the same."""
        flat = torch.cat([labels.flatten(), torch.tensor([ABSENT])])
        line = only_along(flat[self.places], self.reader.feature)
        return None if line is None else tuple(line.tolist())

    def columns(self) -> dict[tuple[int, ...], int] | None:
        """Each column that reads the tensor, by the entries that it reads; None if two agree."""
        rows = self.places.movedim(self.reader.feature, 0).flatten(1)
        reading = [k for k, row in enumerate(rows) if bool((row != ABSENT).any())]
        found = {tuple(rows[k].tolist()): k for k in reading}
        return found if len(found) == len(reading) else None


def arrivals(graph: Graph, name: str) -> list[Arrival] | None:
    """All linear operators that read a tensor, moved and joined with others; None if others do."""
    sizes = graph.size(name)
    count = torch.Size(sizes).numel()
    if count > LARGEST:
        return None
    return _follow(graph, name, torch.arange(count).view(sizes))


def _follow(graph: Graph, name: str, places: Tensor) -> list[Arrival] | None:
    if graph.is_output(name) or not graph.readers(name):
        return None
    found: list[Arrival] = []
    for op in graph.readers(name):
        reader = linear(graph, op)
        if reader is not None and reader.source == name:
            if reader.weight.groups > 1 or reader.stacked:
                return None
            found.append(Arrival(reader, places))
            continue
        onward = moved(op, name, places) or _joined(graph, op, name, places)
        if onward is None:
            return None
        for result, there in onward.items():
            more = _follow(graph, result, there)
            if more is None:
                return None
            found += more
    return found


def _joined(graph: Graph, op: Op, name: str, places: Tensor) -> dict[str, Tensor] | None:
    """Laid beside other tensors."""
    if op.target not in ("cat", "stack"):
        return None
    tensors = [t for t in op.arguments["tensors"] if isinstance(t, Ref)]
    if sum(t.name == name for t in tensors) != 1:
        return None
    parts = [places if t.name == name else torch.full(graph.size(t.name), ABSENT) for t in tensors]
    join = torch.cat if op.target == "cat" else torch.stack
    return {op.outputs[0]: join(parts, int(op.arguments.get("dim", 0)))}
