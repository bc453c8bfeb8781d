"""Interpretation: the program is read once, operator by operator, each by its typing rule."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from isthmus.discovery.nodes import size_of
from isthmus.discovery.program import Op, Program, Ref
from isthmus.discovery.rules import RULES, Call
from isthmus.discovery.rules.broadcast import broadcast, steady
from isthmus.discovery.rules.pointwise import permuting
from isthmus.discovery.typing import Tensor, Typing
from isthmus.ground.errors import UnknownOperator

FILLS = {"zeros": 0.0, "zeros_like": 0.0, "new_zeros": 0.0, "ones": 1.0, "ones_like": 1.0,
         "new_ones": 1.0}  # fmt: skip
"""Operators that make a tensor of one number."""


class UnknownOperatorWarning(UserWarning):
    """An operator without a typing rule was met; what it touches is pinned."""


@dataclass
class Reading:
    """A program with a type for every tensor."""

    program: Program
    typing: Typing
    tensors: dict[str, Tensor]
    parameters: dict[str, Tensor]
    offsets: dict[str, float]
    warnings: list[str] = field(default_factory=list)
    origins: dict[str, str] = field(default_factory=dict)


def interpret(program: Program, unknown: str = "pin") -> Reading:
    """Type every tensor of a program.

    Raises:
        UnknownOperator: an operator has no rule and ``unknown`` is "raise".
    """
    typing = Typing()
    reading = Reading(program, typing, {}, {}, {})
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
        for axis in reading.tensors[name].axes:
            typing.pin(axis)
    return reading


def _step(reading: Reading, op: Op, unknown: str) -> None:
    typing, tensors = reading.typing, reading.tensors
    if not op.outputs:
        return
    if all(tensors[ref.name].inert for ref in op.refs()):
        fill = FILLS.get(op.target)
        if op.target in {"full", "full_like", "new_full"}:
            value = op.arguments["fill_value"]
            fill = float(value) if isinstance(value, (int, float)) else None
        known = (reading.origins.get(ref.name, "a constant") for ref in op.refs())
        typing.reason = next((origin for origin in known if origin != "a constant"), "a constant")
        for name, shape in zip(op.outputs, op.shapes, strict=True):
            reading.origins[name] = typing.reason
            tensors[name] = typing.inert(shape, fill)
        return
    typing.reason = op.where
    call = Call(op, typing, tensors, reading.program)
    made = _rule(reading, op, unknown)(call)
    listed = made if isinstance(made, list) else [made]
    if len(listed) < len(op.outputs):
        listed = _with_statistics(reading, call, listed)
    for name, shape, tensor in zip(op.outputs, op.shapes, listed, strict=True):
        if tensor.sizes != shape.sizes:
            raise AssertionError(f"{op}: typed {tensor.sizes}, expected {shape.sizes}")
        tensors[name] = tensor if tensor.inert else typing.number(tensor)
    _note_offset(reading, op)


def _with_statistics(reading: Reading, call: Call, made: list[Tensor]) -> list[Tensor]:
    """Further results (a norm's own statistics) that the rule leaves out: nobody reads them."""
    op, program = call.op, reading.program
    read = {ref.name for other in program.ops for ref in other.refs()} | set(program.outputs)
    if read.intersection(op.outputs[len(made) :]):
        return _pin_all(call)
    return [*made, *(reading.typing.inert(shape) for shape in op.shapes[len(made) :])]


def _note_offset(reading: Reading, op: Op) -> None:
    """A running variance feels scales only together with ε."""
    ref = op.arguments.get("running_var")
    if isinstance(ref, Ref) and ref.name in reading.program.parameters:
        reading.offsets[reading.program.parameters[ref.name]] = float(op.arguments["eps"])


def _rule(reading: Reading, op: Op, unknown: str) -> Callable[[Call], Tensor | list[Tensor]]:
    found = RULES.get(op.target) or RULES.get(op.target.rstrip("_"))
    if found is not None:
        return found
    if torch.Tag.pointwise in op.overload.tags and len(op.outputs) == 1:
        return _pointwise
    if unknown == "raise":
        raise UnknownOperator(
            f"no typing rule for {op.where}",
            'write one with @isthmus.discovery.rules.rule, or pass unknown="pin" to keep all that '
            "it touches fixed",
        )
    message = f"no typing rule for {op.where}: all that it touches is pinned"
    reading.warnings.append(message)
    warnings.warn(message, UnknownOperatorWarning, stacklevel=4)
    return _pin_all


def _pointwise(call: Call) -> Tensor:
    """Any elementwise operator: permutations commute with it, nothing else is known."""
    operands = [call.values[ref.name] for ref in call.op.refs()]
    out = permuting(call, operands[0])
    for other in operands[1:]:
        alone = steady(call.typing)
        axes = broadcast(call.typing, out, permuting(call, other), call.typing.tie, alone, alone)
        out = call.make(axes)
    return out


def _pin_all(call: Call) -> list[Tensor]:
    """An operator of which nothing is known: nothing may act on what it reads."""
    for ref in call.op.refs():
        for axis in call.values[ref.name].axes:
            if size_of(axis):
                call.typing.pin(axis)
    return [call.typing.inert(shape) for shape in call.op.shapes]
