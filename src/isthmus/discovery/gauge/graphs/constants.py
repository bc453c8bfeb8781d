"""Constants: the values of tensors that no parameter enters.

Their operators are run. A constant whose values are unknown (a model on the meta device) is
replaced by random numbers: what then looks equal is equal because the program makes it so.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from isthmus.discovery.gauge.graphs.graph import Graph
from isthmus.discovery.program import Op, Ref

LARGEST = 1 << 22
"""Tensors with more entries are not computed."""


class Constants:
    """Values of inert tensors, computed when they are asked for."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.known: dict[str, Tensor | None] = {}
        self.random = torch.Generator().manual_seed(0)

    def value(self, name: str) -> Tensor | None:
        """The value of an inert tensor; None if it depends on an input or cannot be computed."""
        if name not in self.known:
            self.known[name] = None  # nothing depends on itself
            self.known[name] = self._compute(name)
        return self.known[name]

    def _compute(self, name: str) -> Tensor | None:
        graph = self.graph
        shape = graph.shapes[name]
        if torch.Size(shape.sizes).numel() > LARGEST or name in graph.program.inputs:
            return None
        if name in graph.program.constants:
            given = graph.program.values.get(name)
            if given is not None:
                return given
            if not shape.dtype.is_floating_point:
                return None
            return torch.randn(shape.sizes, generator=self.random).to(shape.dtype)
        op = graph.maker(name)
        if op is None or op.overload is None or name not in graph.inert:
            return None
        try:
            made = run(op, {ref.name: self.value(ref.name) for ref in op.refs()})
        except Exception:  # whatever an operator finds wrong with stand-ins: then it is not known
            return None
        listed = list(made) if isinstance(made, (list, tuple)) else [made]
        return dict(zip(op.outputs, listed, strict=False)).get(name)


def run(op: Op, values: dict[str, Tensor | None]) -> Any:
    """Run an operator on given tensors.

    Raises:
        LookupError: a tensor that it reads is not known.
    """

    def filled(value: Any) -> Any:
        if isinstance(value, Ref):
            found = values.get(value.name)
            if found is None:
                raise LookupError(value.name)
            return found
        if isinstance(value, (list, tuple)):
            return [filled(v) for v in value]
        if isinstance(value, torch.device):
            return torch.device("cpu")
        return value

    formal = op.overload._schema.arguments
    positional = [filled(op.arguments[a.name]) for a in formal if not a.kwarg_only]
    named = {a.name: filled(op.arguments[a.name]) for a in formal if a.kwarg_only}
    if op.target == "view":
        return positional[0].reshape(positional[1])
    return op.overload(*positional, **named)
