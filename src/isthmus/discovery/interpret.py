"""Interpretation: the program is read once, operator by operator, each by its typing rule."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch

from isthmus.discovery.decompose import Parts, decompose
from isthmus.discovery.fills import fill_of, makes_constant
from isthmus.discovery.hidden import uncover
from isthmus.discovery.indices import Counts, Index, carried, handed_on
from isthmus.discovery.nodes import size_of
from isthmus.discovery.positions import loosen, positionwise
from isthmus.discovery.program import PLAIN, Op, Program, Ref, Shape
from isthmus.discovery.rules import RULES, Call
from isthmus.discovery.rules.broadcast import broadcast, steady
from isthmus.discovery.rules.pointwise import permuting
from isthmus.discovery.tensor import Tensor
from isthmus.discovery.typing import Typing
from isthmus.ground.errors import UnknownOperator


class UnknownOperatorWarning(UserWarning):
    """An operator without a typing rule was met; what it touches is pinned."""


class RecordedPathWarning(UserWarning):
    """The model could not be traced as a whole: one path through it was recorded."""


@dataclass
class Reading:
    """A program with a type for every tensor."""

    program: Program
    typing: Typing
    tensors: dict[str, Tensor]
    parameters: dict[str, Tensor]
    offsets: dict[str, float]
    warnings: list[str] = field(default_factory=list)
    shapes: dict[str, Shape] = field(default_factory=dict)
    read: set[str] = field(default_factory=set)
    origins: dict[str, str] = field(default_factory=dict)


def interpret(program: Program, unknown: str = "pin") -> Reading:
    """Type every tensor of a program.

    Raises:
        UnknownOperator: an operator has no rule and ``unknown`` is "raise".
    """
    typing = Typing()
    reading = Reading(program, typing, {}, {}, {}, list(program.notes), dict(program.shapes))
    reading.read = {ref.name for op in program.ops for ref in op.refs()} | set(program.outputs)
    for note in program.notes:
        warnings.warn(note, RecordedPathWarning, stacklevel=3)
    for name, parameter in program.parameters.items():
        shape = program.shapes[name]
        if parameter not in reading.parameters:
            typing.reason = "its numbers are not floating"
            known = shape.dtype.is_floating_point
            axes = [typing.free(n) if known else typing.constant(n) for n in shape.sizes]
            reading.parameters[parameter] = typing.number(Tensor(axes, shape.dtype, not known))
        reading.tensors[name] = reading.parameters[parameter]
    for name in (*program.inputs, *program.constants):
        typing.reason = f"the input {name}" if name in program.inputs else "a constant"
        reading.origins[name] = typing.reason
        reading.tensors[name] = typing.inert(program.shapes[name])
    for op in program.ops:
        _step(reading, op, unknown)
    typing.reason = "an output of the model"
    for name in program.outputs:
        tensor = reading.tensors[name]
        for axis in (*tensor.axes, *([tensor.meaning.space] if tensor.meaning else ())):
            typing.pin(axis)
    uncover(typing, reading.parameters.values())
    return reading


def _step(reading: Reading, op: Op, unknown: str) -> None:
    typing, tensors = reading.typing, reading.tensors
    reading.shapes.update(zip(op.outputs, op.shapes, strict=True))
    if not op.outputs:
        if op.target not in PLAIN:
            _read(reading, op)
        return
    if makes_constant(op, tensors):
        _inert(reading, op)
        return
    typing.reason = op.where
    call, meaning = _call(reading, op)
    own = _own_rule(op)
    parts = decompose(op, reading.shapes) if own is None else None
    if parts is not None:
        _step_parts(reading, op, parts, unknown)
        return
    made = (own or _no_rule(reading, op, unknown))(call)
    listed = made if isinstance(made, list) else [made]
    if meaning is not None:
        listed = [
            replace(tensor, meaning=handed_on(meaning, op, k, tensor.axes))
            for k, tensor in enumerate(listed)
        ]
    if len(listed) < len(op.outputs):
        listed = _with_statistics(reading, call, listed)
    for name, shape, tensor in zip(op.outputs, op.shapes, listed, strict=True):
        if tensor.sizes != shape.sizes:
            raise AssertionError(f"{op}: typed {tensor.sizes}, expected {shape.sizes}")
        tensors[name] = tensor if tensor.inert else typing.number(tensor)
    if not positionwise(op):
        for ref in op.refs():
            loosen(typing, tensors[ref.name])
    _note_offset(reading, op)


def _call(reading: Reading, op: Op) -> tuple[Call, Index | Counts | None]:
    """The call, and what its results mean where it only moves an index."""
    tensors = reading.tensors
    known = {ref.name: tensors[ref.name] for ref in op.refs()}
    kept = None
    if len(known) == 1:
        ((name, tensor),) = known.items()
        kept = carried(op, tensor.meaning)
        if kept is not None:
            known[name] = replace(tensor, meaning=None)
    return Call(op, reading.typing, known, reading.program), kept


def _read(reading: Reading, op: Op) -> None:
    """Python reads a value: nothing may change it, since anything may depend on it."""
    word = op.arguments.get("operator", op.target)
    reading.typing.reason = f"{word}, whose value Python reads" + op.where.removeprefix(op.target)
    _pin_all(Call(op, reading.typing, reading.tensors, reading.program))


def _inert(reading: Reading, op: Op) -> None:
    """An operator on tensors that no parameter enters."""
    fill = fill_of(op, reading.tensors)
    known = (reading.origins.get(ref.name, "a constant") for ref in op.refs())
    origin = next((origin for origin in known if origin != "a constant"), "a constant")
    reading.typing.reason = origin
    for name, shape in zip(op.outputs, op.shapes, strict=True):
        reading.origins[name] = origin
        reading.tensors[name] = reading.typing.inert(shape, fill)


def _step_parts(reading: Reading, op: Op, parts: Parts, unknown: str) -> None:
    """An operator without a rule is what it is made of."""
    for name, shape in parts.constants.items():
        reading.shapes[name] = shape
        reading.tensors[name] = reading.typing.inert(shape)
    reading.read |= {ref.name for part in parts.ops for ref in part.refs()} | set(parts.outputs)
    for part in parts.ops:
        _step(reading, part, unknown)
    for name, source in zip(op.outputs, parts.outputs, strict=True):
        reading.tensors[name] = reading.tensors[source]


def _with_statistics(reading: Reading, call: Call, made: list[Tensor]) -> list[Tensor]:
    """Further results (a norm's own statistics) that the rule leaves out: nobody reads them."""
    op = call.op
    if reading.read.intersection(op.outputs[len(made) :]):
        return _pin_all(call)
    return [*made, *(reading.typing.inert(shape) for shape in op.shapes[len(made) :])]


def _note_offset(reading: Reading, op: Op) -> None:
    """A running variance feels scales only together with ε."""
    ref = op.arguments.get("running_var")
    if isinstance(ref, Ref) and ref.name in reading.program.parameters:
        reading.offsets[reading.program.parameters[ref.name]] = float(op.arguments["eps"])


def _own_rule(op: Op) -> Callable[[Call], Tensor | list[Tensor]] | None:
    """The operator's own rule, or that of any elementwise function."""
    found = RULES.get(op.target) or RULES.get(op.target.rstrip("_"))
    if found is not None or op.overload is None:
        return found
    if torch.Tag.pointwise in op.overload.tags and len(op.outputs) == 1:
        return _pointwise
    return None


def _no_rule(reading: Reading, op: Op, unknown: str) -> Callable[[Call], Tensor | list[Tensor]]:
    """Neither a rule nor parts: refuse, or pin and warn."""
    if unknown == "raise":
        raise UnknownOperator(
            f"no typing rule for {op.where}",
            'write one with @isthmus.discovery.rules.rule, or pass unknown="pin" to keep all that '
            "it touches fixed",
        )
    message = f"no typing rule for {op.where}: all that it touches is pinned"
    reading.warnings.append(message)
    warnings.warn(message, UnknownOperatorWarning, stacklevel=5)
    return _pin_all


def _pointwise(call: Call) -> Tensor:
    """Any elementwise operator: permutations commute with it, nothing else is known."""
    operands = [call.plain(ref) for ref in call.op.refs()]
    out = permuting(call, operands[0])
    for other in operands[1:]:
        alone = steady(call.typing)
        axes = broadcast(call.typing, out, permuting(call, other), call.typing.tie, alone, alone)
        out = call.make(axes)
    return out


def _pin_all(call: Call) -> list[Tensor]:
    """An operator of which nothing is known: nothing may act on what it reads."""
    for ref in call.op.refs():
        for axis in call.plain(ref).axes:
            if size_of(axis):
                call.typing.pin(axis)
    return [call.typing.inert(shape) for shape in call.op.shapes]
