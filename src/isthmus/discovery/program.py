"""Program: a model as a list of operators on named tensors. Small, and printable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch


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
    """

    ops: tuple[Op, ...]
    parameters: Mapping[str, str]
    inputs: tuple[str, ...]
    constants: tuple[str, ...]
    outputs: tuple[str, ...]
    shapes: Mapping[str, Shape]
    aliases: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def readers(self) -> Mapping[str, Sequence[Op]]:
        """The operators that read each tensor, by its name."""
        found: dict[str, list[Op]] = {}
        for op in self.ops:
            for ref in op.refs():
                found.setdefault(ref.name, []).append(op)
        return found

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
