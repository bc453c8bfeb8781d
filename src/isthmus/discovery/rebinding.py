"""Rebinding: writes in place become results of their own.

``relu_(x)`` becomes ``y = relu(x)``, and what reads x afterwards reads y. What is written into a
slice is laid into the tensor from which it was cut. Other views of x that are read afterwards would
have to be written as well; such programs are left to torch's functionalisation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx

from isthmus.discovery.calls import mutates

SCATTERS: dict[Any, torch._ops.OpOverload] = {
    torch.ops.aten.slice.Tensor: torch.ops.aten.slice_scatter.default,
    torch.ops.aten.select.int: torch.ops.aten.select_scatter.default,
}
"""For each way to cut a tensor the operator that lays a part into it."""


def rebind(graphs: Sequence[fx.Graph]) -> bool:
    """Rewrite writes in place, up to the first that some view sees; whether all are rewritten."""
    return all(_rebind(graph, node) for graph in graphs for node in graph.nodes if mutates(node))


def _rebind(graph: fx.Graph, node: fx.Node) -> bool:
    target = _functional(node.target)
    written = node.args[0] if node.args else None
    if target is None or not isinstance(written, fx.Node) or _place(written) is None:
        return False
    before = _before(graph, node)
    sharing = [other for other in before if _place(other) and _storage(other) == _storage(written)]
    views = _views(written)
    places = [_place(written), *(_place(view.all_input_nodes[0]) for view in views)]
    later: list[list[tuple[fx.Node, set[fx.Node]]]] = [[] for _ in places]
    for other in sharing:
        users = {user for user in other.users if user not in before and user is not node}
        if other.op == "placeholder" or (users and _place(other) not in places):
            return False
        if users:
            later[places.index(_place(other))].append((other, users))
    if node.users:
        later[0].append((node, set(node.users)))
    node.target = target
    highest = max((k for k, readers in enumerate(later) if readers), default=0)
    for made, readers in zip(_anew(graph, node, views[:highest]), later, strict=False):
        for other, users in readers:
            other.replace_all_uses_with(made, users.__contains__)
    return True


def _anew(graph: fx.Graph, part: fx.Node, views: Sequence[fx.Node]) -> list[fx.Node]:
    """What was written laid into the whole, and all slices taken anew; the innermost first."""
    made = part
    for view in views:
        whole = view.all_input_nodes[0]
        made = _insert(graph, made, SCATTERS[view.target], (whole, made, *view.args[1:]), whole)
    found = [made]
    for view in reversed(views):
        made = _insert(graph, made, view.target, (found[0], *view.args[1:]), view)
        found.insert(0, made)
    return found


def _insert(
    graph: fx.Graph, after: fx.Node, target: Any, arguments: tuple[Any, ...], like: fx.Node
) -> fx.Node:
    """A new operator, of which the result is as large as another's."""
    with graph.inserting_after(after):
        made = graph.call_function(target, arguments)
    made.meta = {**after.meta, "val": like.meta["val"]}
    return made


def _views(node: fx.Node) -> list[fx.Node]:
    """The slices by which a tensor is taken out of a larger one, the innermost first."""
    found: list[fx.Node] = []
    while node.target in SCATTERS and not node.kwargs:
        found.append(node)
        node = node.all_input_nodes[0]
    return found


def _before(graph: fx.Graph, node: fx.Node) -> dict[fx.Node, None]:
    """The nodes before one, in their order."""
    found: dict[fx.Node, None] = {}
    for other in graph.nodes:
        if other is node:
            break
        found[other] = None
    return found


def _functional(target: Any) -> torch._ops.OpOverload | None:
    """The operator that computes what another writes: same arguments, no underscore behind."""
    if not isinstance(target, torch._ops.OpOverload) or target.namespace != "aten":
        return None
    packet = getattr(torch.ops.aten, target._schema.name.split("::")[-1].removesuffix("_"), None)
    found = getattr(packet, target._overloadname, None)
    if not isinstance(found, torch._ops.OpOverload) or found._schema.is_mutable:
        return None
    names = [[a.name for a in op._schema.arguments[1:]] for op in (target, found)]
    return found if names[0] == names[1] else None


def _storage(node: fx.Node) -> int:
    value: Tensor = _source(node).meta["val"]
    return int(value.untyped_storage()._cdata)


def _place(node: fx.Node) -> tuple[Any, ...] | None:
    """Which numbers of its storage a tensor is."""
    value = _source(node).meta.get("val")
    if not isinstance(value, Tensor):
        return None
    return tuple(value.shape), value.stride(), value.storage_offset()


def _source(node: fx.Node) -> fx.Node:
    """The tensor itself: dropout that is switched off gives what it is given, tracing a copy."""
    while isinstance(node.target, torch._ops.OpOverload) and "dropout" in node.target._schema.name:
        source = node.args[0]
        if node.args[-1] is not False or not isinstance(source, fx.Node):
            break
        node = source
    return node
