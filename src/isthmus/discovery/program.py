"""Program: a model as a list of operators on named tensors. Small, and printable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch

READ = "isthmus.read"
"""Pseudo-operator: Python reads the values of what it is given, so nothing may change them."""

OVERWRITTEN = "isthmus.overwritten"
"""Pseudo-operator: memory that was written through another view; a mixture of its sources."""


PLAIN = frozenset(
    {"size", "stride", "storage_offset", "sym_size", "sym_stride", "sym_numel", "numel", "dim",
     "is_floating_point", "is_complex", "is_same_size", "is_signed", "is_contiguous",
     "is_inference", "result_type", "can_cast", "is_nested", "is_conj",
     "_has_compatible_shallow_copy_type",
     "is_neg", "_assert_async", "_assert_tensor_metadata", "is_pinned", "is_set_to",
     "_assert_scalar", "sym_constrain_range", "sym_constrain_range_for_size"}
)  # fmt: skip
"""Operators without a tensor for result that do not look at values (or only to raise)."""


@dataclass(frozen=True, slots=True)
class Ref:
    """A tensor by name, as an operator's argument."""

    name: str

    def __str__(self) -> str:
        return f"%{self.name}"


@dataclass(frozen=True, slots=True)
class Shape:
    """What is known of a tensor without computing it."""

    sizes: tuple[int, ...]
    dtype: torch.dtype

    def __str__(self) -> str:
        return f"{str(self.dtype).removeprefix('torch.')}{list(self.sizes)}"


@dataclass(frozen=True, slots=True)
class Op:
    """One operator call.

    ``arguments`` are by schema name, with defaults filled in; tensors are `Ref`. ``module`` is
    the path of the module that ran it, ``source`` the place in the user's code, ``line`` its text.
    """

    target: str
    overload: Any
    arguments: Mapping[str, Any]
    outputs: tuple[str, ...]
    shapes: tuple[Shape, ...]
    module: str = ""
    source: str = ""
    line: str = ""

    def refs(self) -> Iterator[Ref]:
        """All tensors that the operator reads."""
        yield from _refs(self.arguments.values())

    def shape(self, output: str) -> Shape:
        """The shape of one of the results."""
        return self.shapes[self.outputs.index(output)]

    @property
    def where(self) -> str:
        """For messages: operator, module, source line."""
        inside = f" in {self.module}" if self.module else ""
        return f"{self.target}{inside}" + (f" ({self.source})" if self.source else "")

    def __str__(self) -> str:
        shown = ", ".join(f"{k}={_show(v)}" for k, v in self.arguments.items() if v is not None)
        made = ", ".join(f"%{n}: {s}" for n, s in zip(self.outputs, self.shapes, strict=False))
        return f"{made} = {self.target}({shown})"


@dataclass(frozen=True)
class Program:
    """A captured model.

    Attributes:
        parameters: graph name → state-dict name, for parameters and persistent buffers.
        inputs: graph names of the example's tensors.
        constants: graph names of all other tensors that the graph does not compute.
        outputs: graph names of the results.
        shapes: of every name that is not computed by an operator.
        aliases: state-dict names of tied tensors and the name under which each is kept.
        values: of constants, by graph name, where they are known.
        notes: what whoever uses the symmetry should know of the capture.
    """

    ops: tuple[Op, ...]
    parameters: Mapping[str, str]
    inputs: tuple[str, ...]
    constants: tuple[str, ...]
    outputs: tuple[str, ...]
    shapes: Mapping[str, Shape]
    aliases: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, torch.Tensor] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @cached_property
    def readers(self) -> Mapping[str, Sequence[Op]]:
        """The operators that read each tensor, by its name."""
        found: dict[str, list[Op]] = {}
        for op in self.ops:
            for ref in op.refs():
                found.setdefault(ref.name, []).append(op)
        return found

    @cached_property
    def makers(self) -> Mapping[str, Op]:
        """The operator that computes each tensor, by its name."""
        return {name: op for op in self.ops for name in op.outputs}

    def sizes(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor."""
        maker = self.makers.get(name)
        return self.shapes[name].sizes if maker is None else maker.shape(name).sizes

    def uses(self, parameter: str) -> int:
        """How many operators read a parameter, under any of its graph names."""
        names = [n for n, p in self.parameters.items() if p == parameter]
        return sum(len(self.readers.get(n, ())) for n in names)

    def __str__(self) -> str:
        head = [f"%{n}: {self.shapes[n]} = parameter {p}" for n, p in self.parameters.items()]
        head += [f"%{n}: {self.shapes[n]} = input" for n in self.inputs]
        head += [f"%{n}: {self.shapes[n]} = constant" for n in self.constants]
        tail = "return " + ", ".join(f"%{n}" for n in self.outputs)
        return "\n".join([*head, *map(str, self.ops), tail])


def _refs(values: Any) -> Iterator[Ref]:
    for value in values:
        if isinstance(value, Ref):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _refs(value)


def _show(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_show(v) for v in value) + "]"
    return str(value)
