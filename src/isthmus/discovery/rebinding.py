"""Rebinding: writes in place become results of their own, where no view of the tensor is left.

``relu_(x)`` becomes ``y = relu(x)``, and what reads x afterwards reads y. A view of x that is read
afterwards would have to be written as well; such programs are left to torch's functionalisation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx

from isthmus.discovery.calls import mutates


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
    after = {user for user in _users(sharing) if user not in before and user is not node}
    for other in sharing:
        if other.op == "placeholder":
            return False
        if _place(other) == _place(written):
            other.replace_all_uses_with(node, lambda user: user in after)
        elif after & other.users.keys():
            return False
    node.target = target
    return True


def _before(graph: fx.Graph, node: fx.Node) -> dict[fx.Node, None]:
    """The nodes before one, in their order."""
    found: dict[fx.Node, None] = {}
    for other in graph.nodes:
        if other is node:
            break
        found[other] = None
    return found


def _users(nodes: Sequence[fx.Node]) -> set[fx.Node]:
    return {user for node in nodes for user in node.users}


def _functional(target: Any) -> torch._ops.OpOverload | None:
    """The operator that computes what another writes: same arguments, no underscore behind."""
    if not isinstance(target, torch._ops.OpOverload) or target.namespace != "aten":
        return None
    packet = getattr(torch.ops.aten, target._schema.name.split("::")[-1].removesuffix("_"), None)
    found = getattr(packet, target._overloadname, None)
    if not isinstance(found, torch._ops.OpOverload) or found._schema.is_mutable:
        return None
    names = [[a.name for a in op._schema.arguments] for op in (target, found)]
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
