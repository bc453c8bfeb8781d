"""Decomposition of one operator: what torch says it is made of, as operators of our own."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx
from torch._decomp import decomposition_table
from torch._subclasses.functional_tensor import dispatch_functionalize
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._pytree import tree_flatten, tree_map_only

from isthmus.discovery.calls import bind, mutates, name_of, shape_of
from isthmus.discovery.program import Op, Ref, Shape


@dataclass(frozen=True)
class Parts:
    """An operator taken apart.

    Attributes:
        ops: in order; they read the operator's arguments under their own names.
        constants: tensors that the parts make use of and no operator computes.
        outputs: what stands for each result of the operator.
    """

    ops: tuple[Op, ...]
    constants: Mapping[str, Shape]
    outputs: tuple[str, ...]


def decompose(op: Op, shapes: Mapping[str, Shape]) -> Parts | None:
    """The parts of one operator, by torch's own table or by its definition in terms of others.

    Args:
        op: the operator.
        shapes: of everything it reads.

    Returns:
        None where it has none, or where they cannot be had without values.
    """
    if not isinstance(op.overload, torch._ops.OpOverload):
        return None
    names = list(dict.fromkeys(ref.name for ref in op.refs()))
    try:
        graph = _traced(op, names, shapes)
        parts = _Read(op, names).parts(graph)
    except Exception:
        # Whatever torch's own definitions need that shapes do not give: then there are no parts.
        return None
    if len(parts.outputs) != len(op.outputs) or any(p.overload is op.overload for p in parts.ops):
        return None
    return parts


def _traced(op: Op, names: Sequence[str], shapes: Mapping[str, Shape]) -> fx.GraphModule:
    """The graph of this one operator, on tensors without values."""
    known = {op.overload: decomposition_table[op.overload]} if (
        op.overload in decomposition_table
    ) else {}  # fmt: skip
    given = [torch.empty(shapes[n].sizes, dtype=shapes[n].dtype, device="meta") for n in names]
    # Names stand for values here: what is written in place must be written anew.
    call = dispatch_functionalize(_calling(op, names))
    graph = make_fx(call, decomposition_table=known)(*given)
    if any(mutates(node) for node in graph.graph.nodes):
        raise TypeError(f"{op.target} writes in place")
    return graph


def _calling(op: Op, names: Sequence[str]) -> Callable[..., Any]:
    """The operator as a function of the tensors that it reads."""
    formals = op.overload._schema.arguments

    def call(*values: Tensor) -> Any:
        found = dict(zip(names, values, strict=True))
        filled = {
            k: tree_map_only(Ref, lambda r: found[r.name], v) for k, v in op.arguments.items()
        }
        args = [filled[f.name] for f in formals if not f.kwarg_only]
        named = {f.name: filled[f.name] for f in formals if f.kwarg_only}
        return op.overload(*args, **named)

    return call


class _Read:
    """Reads the traced graph."""

    def __init__(self, op: Op, names: Sequence[str]) -> None:
        self.op, self.given = op, iter(names)
        self.known: dict[fx.Node, Any] = {}
        self.ops: list[Op] = []
        self.constants: dict[str, Shape] = {}

    def parts(self, graph: fx.GraphModule) -> Parts:
        outputs: list[Any] = []
        for node in graph.graph.nodes:
            if node.op == "placeholder":
                self.known[node] = Ref(next(self.given))
            elif node.op == "get_attr":
                name = self._name(node)
                self.constants[name] = shape_of(getattr(graph, str(node.target)))
                self.known[node] = Ref(name)
            elif node.op == "call_function":
                self._call(node)
            else:
                outputs = tree_flatten(self._value(node.args[0]))[0]
        kept = tuple(ref.name for ref in outputs if isinstance(ref, Ref))
        return Parts(tuple(self.ops), self.constants, kept)

    def _name(self, node: fx.Node) -> str:
        return f"{self.op.outputs[0]}/{node.name}"

    def _call(self, node: fx.Node) -> None:
        if node.target is operator.getitem:
            source, index = (self._value(a) for a in node.args)
            self.known[node] = source[index]
            return
        target = node.target
        if not isinstance(target, torch._ops.OpOverload):
            raise TypeError(f"{target} is no operator")
        bound = bind(target, [self._value(a) for a in node.args], self._value(dict(node.kwargs)))
        value = node.meta["val"]
        many = isinstance(value, (list, tuple))
        values = list(value) if many else [value]
        names = [
            f"{self._name(node)}.{k}" if many else self._name(node) for k in range(len(values))
        ]
        made = [(n, v) for n, v in zip(names, values, strict=True) if isinstance(v, Tensor)]
        self.ops.append(
            Op(
                name_of(target),
                target,
                bound,
                tuple(n for n, _ in made),
                tuple(shape_of(v) for _, v in made),
                self.op.module,
                self.op.source,
            )
        )
        refs = [Ref(n) if isinstance(v, Tensor) else v for n, v in zip(names, values, strict=True)]
        self.known[node] = refs if many else refs[0]

    def _value(self, argument: Any) -> Any:
        if isinstance(argument, fx.Node):
            return self.known[argument]
        if isinstance(argument, (list, tuple)):
            return [self._value(a) for a in argument]
        if isinstance(argument, dict):
            return {k: self._value(v) for k, v in argument.items()}
        return argument
