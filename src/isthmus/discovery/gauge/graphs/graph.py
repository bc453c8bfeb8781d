"""Graph: a program that can be rewritten. Every rewriting keeps the function."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from isthmus.algebra.charts import Step
from isthmus.discovery.gauge.graphs.free import Free
from isthmus.discovery.gauge.graphs.labels import Moves
from isthmus.discovery.program import PLAIN, Op, Program, Ref, Shape


class Graph:
    """The operators of a program, by result, with the chart's steps so far.

    Attributes:
        steps: what has been done to the parameters.
        free: coordinates that the program no longer reads, with how they move.
        moves: labels of entries, sent through operators.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.ops: dict[int, Op] = dict(enumerate(op for op in program.ops if op.outputs))
        # Assertions compute nothing; what Python reads is as good as an output.
        self.unnamed = [op for op in program.ops if not op.outputs and op.target not in PLAIN]
        self.order: list[int] = list(self.ops)
        self._places: dict[int, tuple[int, ...]] = {key: (key,) for key in self.order}
        self._next = len(program.ops)
        self.shapes: dict[str, Shape] = dict(program.shapes)
        self.made: dict[str, int] = {}
        self.read: dict[str, dict[int, None]] = {}
        self.outputs = list(program.outputs)
        self.steps: list[Step] = []
        self.moves = Moves()
        self.free: dict[str, Free] = {}
        self.centred: dict[str, set[int]] = {}
        self.scaled: set[str] = set()
        self.settled: set[tuple[str, int]] = set()
        self.gone: set[str] = set()
        for key in self.order:
            self._enter(key)
        for key in reversed(self.order):
            if key in self.ops and self._idle(self.ops[key]):
                self.drop(self.ops[key])
        self.order = list(self.ops)
        inert = {*program.inputs, *program.constants}
        for key in self.order:
            op = self.ops[key]
            if all(ref.name in inert for ref in op.refs()):
                inert.update(op.outputs)
        self.inert = inert
        self._graph_names: dict[str, list[str]] = {}
        for name, parameter in program.parameters.items():
            self._graph_names.setdefault(parameter, []).append(name)
        self.tied = frozenset(program.aliases.values())

    def _enter(self, key: int) -> None:
        op = self.ops[key]
        for name, shape in zip(op.outputs, op.shapes, strict=True):
            self.shapes[name] = shape
            self.made[name] = key
        for ref in op.refs():
            self.read.setdefault(ref.name, {})[key] = None

    def _idle(self, op: Op) -> bool:
        """Whether nothing reads what an operator makes, and it writes into nothing."""
        read = any(self.read.get(name) or self.is_output(name) for name in op.outputs)
        return not read and op.overload is not None and not op.overload._schema.is_mutable

    def __iter__(self) -> Iterator[Op]:
        # As they are when their turn comes: rewriting goes on meanwhile.
        self.order = sorted((k for k in self.order if k in self.ops), key=self.place)
        for key in tuple(self.order):
            if key in self.ops:
                yield self.ops[key]

    def place(self, key: int) -> tuple[int, ...]:
        """Where an operator stands in the program: what comes later is larger."""
        return self._places[key]

    def maker(self, name: str) -> Op | None:
        """The operator that computes a tensor."""
        key = self.made.get(name)
        return self.ops[key] if key is not None else None

    def readers(self, name: str) -> list[Op]:
        """The operators that read a tensor."""
        return [self.ops[key] for key in self.read.get(name, ())]

    def is_output(self, name: str) -> bool:
        """Whether the model returns this tensor."""
        return name in self.outputs or any(
            ref.name == name for op in self.unnamed for ref in op.refs()
        )

    def only_reader(self, name: str) -> Op | None:
        """The one operator that reads a tensor which the model does not return."""
        found = self.readers(name)
        return found[0] if len(found) == 1 and not self.is_output(name) else None

    def parameter(self, name: str) -> str | None:
        """The parameter that a graph name stands for."""
        return self.program.parameters.get(name)

    def name_of(self, parameter: str) -> str:
        """A graph name of a parameter."""
        return self._graph_names[parameter][0]

    def floating(self, argument: Any) -> str | None:
        """The parameter that an argument is, if it is floating and has not been made free."""
        parameter = self.parameter(argument.name) if isinstance(argument, Ref) else None
        if parameter is None or parameter in self.free:
            return None
        return parameter if self.shapes[argument.name].dtype.is_floating_point else None

    def private(self, argument: Any) -> str | None:
        """The parameter that an argument is, if it is floating and read here alone."""
        parameter = self.floating(argument)
        if parameter is None:
            return None
        names = self._graph_names[parameter]
        used = sum(
            sum(ref.name == name for ref in op.refs())
            for name in names
            for op in self.readers(name)
        )
        returned = any(self.is_output(name) for name in names)
        return parameter if used == 1 and not returned else None

    def size(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor."""
        return self.shapes[name].sizes

    # -- rewriting

    def change(self, op: Op, arguments: Mapping[str, Any]) -> Op:
        """Give an operator other arguments."""
        now = self.ops[self.made[op.outputs[0]]]
        return self._put(now, replace(now, arguments={**now.arguments, **arguments}))

    def retarget(
        self, op: Op, target: str, arguments: Mapping[str, Any], overload: Any = None
    ) -> None:
        """Make an operator another one, on these arguments alone."""
        now = self.ops[self.made[op.outputs[0]]]
        self._put(now, replace(op, target=target, overload=overload, arguments=dict(arguments)))

    def _put(self, old: Op, new: Op) -> Op:
        """Another operator in the same place; readers stay in the order of the program."""
        key = self.made[old.outputs[0]]
        self.ops[key] = new
        kept = {ref.name for ref in new.refs()}
        for ref in old.refs():
            if ref.name not in kept:
                self.read[ref.name].pop(key, None)
        self._enter(key)
        return new

    def bypass(self, op: Op, source: str) -> None:
        """Read ``source`` wherever the (only) result of an operator was read, and drop it."""
        gone = op.outputs[0]
        for reader in self.readers(gone):
            self.change(reader, _renamed(reader.arguments, gone, source))
        self._return_instead(gone, source)
        self.drop(op)

    def drop(self, op: Op) -> None:
        """Remove an operator, and those before it whose results nobody reads any more."""
        key = self.made[op.outputs[0]]
        if key not in self.ops:
            return
        op = self.ops.pop(key)
        for ref in op.refs():
            self.read[ref.name].pop(key, None)
            before = self.maker(ref.name) if self.made.get(ref.name) in self.ops else None
            unused = before is not None and not any(
                self.read.get(n) or self.is_output(n) for n in before.outputs
            )
            if before is not None and unused:
                self.drop(before)
        for name in op.outputs:
            self.made.pop(name, None)

    def insert_after(self, op: Op, target: str, arguments: Mapping[str, Any], name: str) -> Op:
        """A new operator on the first result of ``op``, of the same shape."""
        key = self._next
        self._next += 1
        # What is put in last stands nearest: -key falls, and every key of ``op`` is a prefix.
        self._places[key] = (*self._places[self.made[op.outputs[0]]], -key)
        self.order.append(key)
        self.ops[key] = replace(
            op, target=target, overload=None, arguments=dict(arguments), outputs=(name,),
            shapes=op.shapes[:1],
        )  # fmt: skip
        self._enter(key)
        return self.ops[key]

    def rename_reads(self, gone: str, source: str, but: Sequence[Op] = ()) -> None:
        """Read ``source`` wherever ``gone`` was read, but in some operators."""
        kept = {op.outputs[0] for op in but}
        for reader in self.readers(gone):
            if reader.outputs[0] not in kept:
                self.change(reader, _renamed(reader.arguments, gone, source))
        self._return_instead(gone, source)

    def _return_instead(self, gone: str, source: str) -> None:
        self.outputs = [source if name == gone else name for name in self.outputs]
        self.unnamed = [
            replace(op, arguments={**op.arguments, **_renamed(op.arguments, gone, source)})
            for op in self.unnamed
        ]

    def finished(self) -> Program:
        """The rewritten program."""
        return replace(
            self.program,
            ops=(*self, *self.unnamed),
            outputs=tuple(self.outputs),
            shapes=self.program.shapes,
        )


def _renamed(arguments: Mapping[str, Any], gone: str, source: str) -> dict[str, Any]:
    def new(value: Any) -> Any:
        if isinstance(value, Ref):
            return Ref(source) if value.name == gone else value
        return [new(v) for v in value] if isinstance(value, (list, tuple)) else value

    return {name: new(value) for name, value in arguments.items()}
