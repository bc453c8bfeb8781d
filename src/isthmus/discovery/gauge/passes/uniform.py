"""Common shifts: sets of a bias's entries that may only move together.

A norm does not see a shift that is common to the features of a group, a maximum passes one that is
common to what it compares, a linear operator along other dimensions needs one common to those.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from isthmus.algebra.charts import Shared
from isthmus.discovery.gauge.graphs.along import ORDERS, SOFTMAX, is_bare
from isthmus.discovery.gauge.graphs.chains import vector
from isthmus.discovery.gauge.graphs.fates import Fate
from isthmus.discovery.gauge.graphs.free import Free, Move, because
from isthmus.discovery.gauge.graphs.graph import Graph
from isthmus.discovery.gauge.graphs.labels import ABSENT, along, core, moved
from isthmus.discovery.gauge.graphs.passing import groups_of, passed
from isthmus.discovery.gauge.graphs.readers import bias_of, linear
from isthmus.discovery.gauge.passes.shifts import follow
from isthmus.discovery.program import Op, Ref

EXTREMES = frozenset({"amax", "amin", "sum"})


def fold_uniform(graph: Graph) -> None:
    """Free the common shifts of every bias, and of every vector that is added."""
    for op in graph:
        sizes = graph.size(op.outputs[0])
        reader = linear(graph, op)
        bias = bias_of(graph, reader) if reader is not None else None
        if reader is not None and bias is not None:
            _free(graph, op, bias, along(sizes, reader.result))
        elif op.target == "add" and op.arguments.get("alpha", 1) == 1:
            for ref in list(op.refs()):
                found = vector(graph, ref)
                if found is not None and found.whole:
                    _free(graph, op, found.parameter, found.labels.expand(sizes))


def _free(graph: Graph, op: Op, parameter: str, labels: Tensor) -> None:
    into = f"{parameter}.shift"
    size = torch.Size(graph.size(graph.name_of(parameter))).numel()
    if len(torch.unique(core(labels))) != size:
        return  # what is cut away here may be read when the input is longer
    if graph.centred.get(parameter) or into in graph.free or parameter in graph.free or size < 2:
        return
    sets = _Sets(list(range(size)))
    while sets.gather(graph, op.outputs[0], _renamed(labels, torch.tensor(sets.first)), set()):
        pass
    numbers = sets.numbered()
    count = int(numbers.max()) + 1
    if count == size:
        return
    fate = Fate(into, count)
    follow(graph, op.outputs[0], _renamed(labels, numbers), fate)
    if fate.felt:
        return
    graph.steps += [Shared(parameter, tuple(numbers.tolist()), into), *fate.carries]
    why = because("made up for, or lost, where it is common, behind", op)
    graph.free[into] = Free(count, Move.SHIFT, 0.0, why)


def _renamed(labels: Tensor, names: Tensor) -> Tensor:
    """Other names for the same labels, held expanded as they are."""
    return names[core(labels)].expand(labels.shape)


@dataclass
class _Sets:
    """Entries in sets, each set known by its first member."""

    first: list[int]

    def numbered(self) -> Tensor:
        """The number of each entry's set, in order of appearance."""
        order = {k: number for number, k in enumerate(dict.fromkeys(self.first))}
        return torch.tensor([order[k] for k in self.first])

    def gather(self, graph: Graph, name: str, labels: Tensor, seen: set[tuple[str, int]]) -> bool:
        """Join sets where the next operators want them equal; whether anything was joined."""
        labels = graph.moves.one(labels)
        if (name, id(labels)) in seen:
            return False
        seen.add((name, id(labels)))
        joined = False
        for op in graph.readers(name):
            wanted = _compared(graph, op, name, labels)
            if wanted is not None:
                joined |= self._join(wanted)
                continue
            onward = {k: (v, 1.0) for k, v in (moved(op, name, labels) or {}).items()}
            for result, (shown, _) in (onward or passed(graph, op, name, labels) or {}).items():
                joined |= self.gather(graph, result, shown, seen)
        return joined

    def _join(self, rows: Tensor) -> bool:
        """All entries of a row become one set."""
        heads = rows[:, :1].expand_as(rows)
        unlike = (rows != heads) & (rows != ABSENT) & (heads != ABSENT)
        before, size = self.first, len(self.first)
        pairs = torch.unique(heads[unlike] * size + rows[unlike])  # as one number: that is quick
        for one, two in (divmod(pair, size) for pair in pairs.tolist()):
            target, gone = self.first[one], self.first[two]
            if target != gone:
                self.first = [target if k == gone else k for k in self.first]
        return self.first != before


def _compared(graph: Graph, op: Op, name: str, labels: Tensor) -> Tensor | None:
    """Labels in rows: those of one row would have to be the same. None if there are none such."""
    dims: list[int] = []
    reader = linear(graph, op)
    if is_bare(op) and op.arguments["input"] == Ref(name):
        dims = [labels.dim() - 1]
    elif op.target in SOFTMAX:
        dims = [int(op.arguments["dim"]) % labels.dim()]
    elif op.target in EXTREMES and op.arguments.get("dim"):
        dims = [int(d) % labels.dim() for d in op.arguments["dim"]]
    elif op.target in ORDERS:
        dims = [int(op.arguments["dim"]) % labels.dim()]
    elif reader is not None and reader.source == name:
        dims = [d for d in range(labels.dim()) if d != reader.feature]
    elif (groups := groups_of(op)) is not None and labels.dim() > 1:
        return labels.reshape(labels.shape[0] * groups, -1)
    if not dims:
        return None
    kept = [d for d in range(labels.dim()) if d not in dims]
    rows = labels.permute(*kept, *dims).flatten(0, len(kept) - 1) if kept else labels.unsqueeze(0)
    wide = rows.flatten(1)
    # What goes on is asked again once all that is compared agrees.
    same = bool((wide == wide[:, :1]).all())
    return None if op.target in EXTREMES | ORDERS and same else wide
