"""Fills: the one number that a constant holds, as far as operators keep it so."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from isthmus.discovery.gauge.graphs.constants import run
from isthmus.discovery.gauge.idioms.asked import FILLED
from isthmus.discovery.indices import COPIES, CUTS, SAME
from isthmus.discovery.program import Op, Ref
from isthmus.discovery.tensor import Tensor

FILLS: dict[str, float | None] = {
    **FILLED, "zeros": 0.0, "ones": 1.0, "empty": 0.0, "empty_like": 0.0, "new_empty": 0.0,
    "full": None, "full_like": None, "new_full": None,
}  # fmt: skip
"""Operators that make a tensor of one number; what nobody has written yet may be any."""

MOVES = (SAME | COPIES | CUTS | {"cat", "concat", "concatenate", "stack", "repeat", "tile"}) - {
    "to",
    "_to_copy",
}
"""Operators whose every value is one of those that they are given."""

ENTRYWISE = frozenset({"to", "_to_copy", "type_as", "fill", "zero"})
"""Operators that change every value alike, beside those that torch calls pointwise."""


def makes_constant(op: Op, tensors: Mapping[str, Tensor]) -> bool:
    """Whether no parameter enters the results of an operator."""
    if op.target in FILLS and not isinstance(op.arguments.get("fill_value"), Ref):
        return True
    return all(tensors[ref.name].inert for ref in op.refs())


def fill_of(op: Op, tensors: Mapping[str, Tensor]) -> float | None:
    """The one number that all results of an operator on constants hold; None if not known."""
    if op.target in FILLS:
        value = op.arguments.get("fill_value")
        return float(value) if isinstance(value, (int, float)) else FILLS[op.target]
    fills = {tensors[ref.name].fill for ref in op.refs()}
    if not fills or None in fills:
        return None
    if op.target in MOVES:
        return next(iter(fills)) if len(fills) == 1 else None
    return _entry(op, {ref.name: tensors[ref.name] for ref in op.refs()})


def _entry(op: Op, known: Mapping[str, Tensor]) -> float | None:
    """An operator that works entry by entry, run on one entry."""
    tags = getattr(op.overload, "tags", ())
    alike = torch.Tag.pointwise in tags or op.target.rstrip("_") in ENTRYWISE
    if op.overload is None or not alike or torch.Tag.nondeterministic_seeded in tags:
        return None
    given = {
        name: torch.full((), tensor.fill or 0.0, dtype=tensor.dtype)
        for name, tensor in known.items()
    }
    try:
        made = run(op, dict(given))
    except Exception:  # whatever an operator finds wrong with stand-ins: then it is not known
        return None
    return float(made) if isinstance(made, torch.Tensor) and not made.is_complex() else None
