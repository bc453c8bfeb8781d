"""Operator calls as they are read: names, arguments by name, shapes, tied names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from isthmus.discovery.program import Shape


def bind(
    target: torch._ops.OpOverload, arguments: Sequence[Any], named: Mapping[str, Any]
) -> dict[str, Any]:
    """Arguments by the schema's names, with defaults filled in."""
    bound: dict[str, Any] = {}
    for k, formal in enumerate(target._schema.arguments):
        if k < len(arguments):
            bound[formal.name] = arguments[k]
        elif formal.name in named:
            bound[formal.name] = named[formal.name]
        else:
            bound[formal.name] = formal.default_value
    return bound


def kept_names(model: nn.Module) -> dict[str, str]:
    """Every state-dict name and the first name of the same tensor."""
    first: dict[int, str] = {}
    kept: dict[str, str] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        kept[name] = first.setdefault(id(tensor), name)
    return kept


def shape_of(value: Tensor) -> Shape:
    """Sizes and dtype."""
    return Shape(tuple(int(n) for n in value.shape), value.dtype)


def name_of(target: torch._ops.OpOverload) -> str:
    """The operator without overload; its namespace where that is not ``aten``."""
    return f"{target.namespace}.{target._schema.name.split('::')[-1]}".removeprefix("aten.")


def mutates(node: fx.Node) -> bool:
    """Whether a node of a graph writes into one of its arguments."""
    schema = getattr(node.target, "_schema", None)
    return bool(schema is not None and schema.is_mutable)
