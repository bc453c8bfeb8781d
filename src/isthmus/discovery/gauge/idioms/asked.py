"""What is asked of a tensor but not its values: its type or its shape, which are known.

An operator that asks only for these does not read the tensor: it is rewritten with the answer. What
was computed for such questions alone is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from isthmus.discovery.program import Op, Program, Ref

FILLED = {"zeros_like": 0.0, "ones_like": 1.0, "new_zeros": 0.0, "new_ones": 1.0}
"""Operators that make a tensor of one number, and which."""

CASTS = frozenset({"type_as", "to"})

LIKE = {"expand_as": ("expand", "size"), "view_as": ("reshape", "shape"),
        "reshape_as": ("reshape", "shape")}  # fmt: skip
"""Operators that give one tensor the shape of another, and those that take the shape itself."""


def answered(program: Program) -> Program:
    """The program without such questions."""
    kept: list[Op] = []
    needed = set(program.outputs)
    for op in map(_answered, reversed(program.ops)):
        asked = {n for n in op.outputs if n in program.readers}
        if asked.isdisjoint(needed) and len(asked) == len(op.outputs) > 0:
            continue
        needed |= {ref.name for ref in op.refs()}
        kept.append(op)
    return replace(program, ops=tuple(reversed(kept)))


def _answered(op: Op) -> Op:
    if not op.shapes:
        return op
    size, dtype = list(op.shapes[0].sizes), op.shapes[0].dtype
    if op.target in CASTS and isinstance(op.arguments.get("other"), Ref):
        cast = {"self": op.arguments["self"], "dtype": dtype, "memory_format": None}
        return _as(op, torch.ops.aten.to.dtype, {**cast, "non_blocking": False, "copy": False})
    if op.target in LIKE:
        name, key = LIKE[op.target]
        more = {"implicit": False} if name == "expand" else {}
        overload = getattr(torch.ops.aten, name).default
        return _as(op, overload, {"self": op.arguments["self"], key: size, **more})
    given = op.arguments.get("fill_value")
    number = FILLED.get(op.target, given if op.target in ("full_like", "new_full") else None)
    if not isinstance(number, (int, float)):
        return op
    made = {"size": size, "dtype": dtype, "layout": None, "device": None, "pin_memory": None}
    if number == 0:
        return _as(op, torch.ops.aten.zeros.default, made)
    return _as(op, torch.ops.aten.full.default, {**made, "fill_value": number})


def _as(op: Op, overload: Any, arguments: Mapping[str, Any]) -> Op:
    name = overload._schema.name.removeprefix("aten::")
    return replace(op, target=name, overload=overload, arguments=arguments)
