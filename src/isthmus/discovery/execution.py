"""Execution: a program is run on tensors, and chosen values of it are handed out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from isthmus.discovery.gauge.graphs.constants import run
from isthmus.discovery.precision import DoublePrecision
from isthmus.discovery.program import OVERWRITTEN, Op, Program
from isthmus.ground.errors import BadInput


def execute(
    program: Program,
    params: Mapping[str, Tensor],
    inputs: Mapping[str, Tensor],
    wanted: Collection[str],
) -> dict[str, Tensor]:
    """The values of some names of a program.

    Args:
        program: as captured, with the values of its constants.
        params: by state-dict name, all of one floating dtype: the one that is computed in.
        inputs: by graph name.
        wanted: names of inputs or results. Other values are let go after their last reader.

    Raises:
        BadInput: the program holds a constant without a value, or memory written by other views.
    """
    dtype = next(t.dtype for t in params.values() if t.is_floating_point())
    narrow = torch.get_default_dtype()
    values: dict[str, Tensor | None] = {n: params[p] for n, p in program.parameters.items()}
    values |= {n: _cast(t, dtype) for n, t in (*program.values.items(), *inputs.items())}
    last = {ref.name: k for k, op in enumerate(program.ops) for ref in op.refs()}
    found = {n: t.clone() for n, t in inputs.items() if n in wanted}
    torch.set_default_dtype(dtype)
    try:
        with torch.no_grad():
            for k, op in enumerate(program.ops):
                made = _results(op, values, dtype)
                values.update(made)
                # What a later operator writes in place is kept as it is now.
                found.update({n: t.clone() for n, t in made.items() if n in wanted})
                for name in {*(ref.name for ref in op.refs()), *op.outputs}:
                    if last.get(name, k) <= k:
                        values.pop(name, None)
    finally:
        torch.set_default_dtype(narrow)
    return found


def _results(op: Op, values: dict[str, Tensor | None], dtype: torch.dtype) -> dict[str, Tensor]:
    if not op.outputs:
        return {}
    if op.overload is None or op.target == OVERWRITTEN:
        raise BadInput(
            f"{op.where} writes memory through another view: its activations cannot be read",
            "write without slices in place, or align by weights",
        )
    try:
        made = run(replace(op, arguments=tree_map(lambda v: _wide(v, dtype), op.arguments)), values)
    except LookupError as missing:
        raise BadInput(
            f"the value of the constant {missing} is not known",
            "build the model with real tensors, not on the meta device",
        ) from None
    listed = made if isinstance(made, (list, tuple)) else [made]
    tensors = [value for value in listed if isinstance(value, Tensor)]
    return dict(zip(op.outputs, tensors, strict=True))


def _wide(value: Any, dtype: torch.dtype) -> Any:
    """Casts to single precision inside a model are to double where the params are double."""
    narrow = isinstance(value, torch.dtype) and value in DoublePrecision.NARROW
    return torch.float64 if narrow and dtype is torch.float64 else value


def _cast(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    return tensor.to(dtype) if tensor.is_floating_point() else tensor
