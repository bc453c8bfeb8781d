"""Rotary positions: constant matrices that turn planes of a feature axis, position by position.

A stretch of program that is linear in one tensor, and in which else only constants enter, is a
constant matrix along that tensor's last axis. What acts there must commute with it: where it turns
coordinate pairs, that is one complex number per pair (mathematics.md 4.4). The matrix is found by
running the stretch on basis vectors; however it is written (halves, alternating pairs, complex
numbers, only some of the features), it is recognised by what it does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from isthmus.discovery.gauge.graphs.constants import Constants, run
from isthmus.discovery.gauge.graphs.graph import Graph
from isthmus.discovery.gauge.graphs.labels import MOVING, SAME, varies
from isthmus.discovery.program import Op, Ref

ROTARY = "isthmus.rotary"
"""Planes turned; arguments ``self``, ``start``, ``planes``, ``halves`` (else neighbours),
``varying`` (dimensions along which the angles differ), ``apart`` (neighbours come out as halves).
"""

STEPS = frozenset({
    *MOVING, *SAME, "add", "sub", "mul", "neg", "cat", "stack", "view_as_complex", "view_as_real",
    "index_select",
})  # fmt: skip
"""Operators of which a stretch may consist."""

LONGEST = 40


@dataclass(frozen=True, slots=True)
class Planes:
    """``count`` planes of coordinates, from ``start`` on: (i, i + count), or neighbours.

    Their angles differ along the dimensions ``varying``, at least. ``apart``: they are neighbours,
    and come out as halves.
    """

    start: int
    count: int
    halves: bool
    varying: tuple[int, ...] = ()
    apart: bool = False


def find_rotations(graph: Graph) -> None:
    """Rewrite every stretch that turns planes as one operator."""
    constants = Constants(graph)
    known: dict[tuple[object, ...], Planes | None] = {}
    tried: set[str] = set()
    for product in graph:
        for root in _roots(graph, product):
            if root in tried:
                continue
            tried.add(root)
            stretch = _stretch(graph, root)
            if stretch is None:
                continue
            ops, result = stretch
            key = _signature(graph, ops, root)
            if key not in known:
                known[key] = _planes(graph, constants, ops, root, result)
            planes = known[key]
            if planes is not None:
                _rewrite(graph, ops, root, result, planes)
                break


def _roots(graph: Graph, op: Op) -> Iterator[str]:
    """Where a stretch around a product with a constant may begin, the nearest first."""
    refs = list(op.refs())
    live = [r.name for r in refs if r.name not in graph.inert]
    if op.target != "mul" or len(refs) != 2 or len(live) != 1:
        return
    name: str | None = live[0]
    for _ in range(8):
        if name is None or name in graph.program.parameters:
            return
        yield name
        maker = graph.maker(name)
        if maker is None or maker.target not in STEPS:
            return
        name = next((r.name for r in maker.refs() if r.name not in graph.inert), None)


def _stretch(graph: Graph, root: str) -> tuple[list[Op], str] | None:
    """The operators from the root to the tensor in which all that they compute comes together."""
    ops: list[Op] = []
    inside, open_names = {root}, {root}
    waiting = sorted({graph.made[o.outputs[0]] for o in graph.readers(root)}, key=graph.place)
    queued = set(waiting)
    while waiting and len(ops) < LONGEST:
        key = waiting.pop(0)
        op = graph.ops[key]
        live = [r.name for r in op.refs() if r.name not in graph.inert]
        if op.target not in STEPS or any(name not in inside for name in live):
            return None
        if op.target == "mul" and len(live) != 1:
            return None
        ops.append(op)
        inside.update(op.outputs)
        open_names.update(op.outputs)
        for name in (*live, *op.outputs):
            if graph.is_output(name):
                return None
            done = {o.outputs[0] for o in ops}
            if all(o.outputs[0] in done for o in graph.readers(name)) and graph.readers(name):
                open_names.discard(name)
        if len(open_names) == 1 and op.target != "mul":
            (last,) = open_names
            if last != root and graph.size(last) == graph.size(root) and len(ops) > 2:
                return ops, last
        for name in op.outputs:
            more = [graph.made[o.outputs[0]] for o in graph.readers(name)]
            for other in more:
                if other not in queued:
                    queued.add(other)
                    waiting.append(other)
        waiting.sort(key=graph.place)
    return None


def _signature(graph: Graph, ops: Sequence[Op], root: str) -> tuple[object, ...]:
    """What the stretch computes, but for names: equal in every layer."""
    names = {root: "0"}
    parts: list[object] = [graph.size(root)]
    for op in ops:
        for k, name in enumerate(op.outputs):
            names[name] = f"{len(parts)}.{k}"
        shown = [(k, _named(v, names, graph)) for k, v in op.arguments.items()]
        parts.append((op.target, tuple(shown)))
    return tuple(parts)


def _named(value: object, names: dict[str, str], graph: Graph) -> object:
    if isinstance(value, Ref):
        return names.get(value.name) or _constant(graph, value.name)
    if isinstance(value, (list, tuple)):
        return tuple(_named(v, names, graph) for v in value)
    return str(value)


def _constant(graph: Graph, name: str) -> object:
    """A constant by how it is computed: views of one table are one."""
    op = graph.maker(name)
    if op is None:
        given = graph.program.values.get(name)
        return name if given is None else (tuple(given.shape), float(given.double().sum()))
    return op.target, tuple((k, _named(v, {}, graph)) for k, v in op.arguments.items())


def _planes(
    graph: Graph, constants: Constants, ops: Sequence[Op], root: str, result: str
) -> Planes | None:
    """The planes that the stretch turns, if it does that and nothing else."""
    values = {
        ref.name: constants.value(ref.name)
        for op in ops
        for ref in op.refs()
        if ref.name in graph.inert
    }
    if any(value is None for value in values.values()):
        return None
    sizes = graph.size(root)
    probe = torch.randn(sizes, generator=torch.Generator().manual_seed(0))
    try:
        columns = [
            _apply(ops, {**values, root: _basis(sizes, j)}, result) for j in range(sizes[-1])
        ]
        answer = _apply(ops, {**values, root: probe}, result)
    except Exception:  # an operator that does not take these: no rotation that we know
        return None
    # Positions may be exchanged, too: then it is more than a matrix at each position.
    expected = sum(probe[..., j : j + 1] * column for j, column in enumerate(columns))
    if not torch.allclose(answer, torch.as_tensor(expected), rtol=1e-4, atol=1e-5):
        return None
    flat = [column.flatten(0, -2) for column in columns]
    found = _paired(flat) or _parted(flat)
    varying = [d for d in range(len(sizes) - 1) if any(varies(column, d) for column in columns)]
    return None if found is None else replace(found, varying=tuple(varying))


def _basis(sizes: tuple[int, ...], j: int) -> Tensor:
    basis = torch.zeros(sizes)
    basis[..., j] = 1.0
    return basis


def _apply(ops: Sequence[Op], values: dict[str, Tensor | None], result: str) -> Tensor:
    for op in ops:
        made = run(op, values)
        listed = list(made) if isinstance(made, (list, tuple)) else [made]
        values.update(zip(op.outputs, listed, strict=True))
    found = values[result]
    assert found is not None
    return found


def _paired(columns: Sequence[Tensor]) -> Planes | None:
    """``columns[j]`` is ``(positions, size)``: where coordinate j goes."""
    size = len(columns)
    partner: dict[int, int] = {}
    for j, column in enumerate(columns):
        reached = [i for i in torch.nonzero(column.abs().amax(0) > 0).flatten().tolist() if i != j]
        if len(reached) > 1:
            return None
        if reached:
            partner[j] = reached[0]
    for j in range(size):
        if not (_turned(columns, j, partner[j]) if j in partner else _kept(columns, j)):
            return None
    return _regular(sorted(partner), partner)


def _parted(columns: Sequence[Tensor]) -> Planes | None:
    """Neighbours that are put out as halves, if all coordinates are."""
    size = len(columns)
    places = [k // 2 + (k % 2) * (size // 2) for k in range(size)]
    found = _paired([column[:, places] for column in columns]) if size % 2 == 0 else None
    whole = found is not None and 2 * found.count == size and (not found.halves or size == 2)
    return replace(found, halves=False, apart=True) if found is not None and whole else None


def _turned(columns: Sequence[Tensor], j: int, other: int) -> bool:
    """Whether two coordinates are turned, and stretched alike."""
    one, two = columns[j], columns[other]
    # Exactly: what differs by rounding alone would be a symmetry by rounding alone.
    same = torch.equal(one[:, j], two[:, other])
    return same and torch.equal(one[:, other], -two[:, j])


def _kept(columns: Sequence[Tensor], j: int) -> bool:
    column = columns[j][:, j]
    return torch.equal(column, torch.ones_like(column))


def _regular(turned: Sequence[int], partner: dict[int, int]) -> Planes | None:
    """The layout, if it is one of the two in use."""
    if not turned:
        return None
    start, count = turned[0], len(turned) // 2
    if list(turned) != list(range(start, start + 2 * count)):
        return None
    if all(partner[start + i] == start + i + count for i in range(count)):
        return Planes(start, count, True)
    if all(partner[start + 2 * i] == start + 2 * i + 1 for i in range(count)):
        return Planes(start, count, False)
    return None


def _rewrite(graph: Graph, ops: Sequence[Op], root: str, result: str, planes: Planes) -> None:
    last = next(op for op in ops if result in op.outputs)
    graph.retarget(
        last,
        ROTARY,
        {
            "self": Ref(root), "start": planes.start, "planes": planes.count,
            "halves": planes.halves, "varying": planes.varying, "apart": planes.apart,
        },
    )  # fmt: skip
    for op in reversed(ops):
        there = op is not last and op.outputs[0] in graph.made
        if there and not any(graph.read.get(name) for name in op.outputs):
            graph.drop(op)
