"""discover: the symmetry group of any PyTorch module, from its program."""

from __future__ import annotations

from typing import Literal

from torch import nn

from isthmus.algebra.symmetry import Symmetry
from isthmus.discovery.assemble import assemble
from isthmus.discovery.capture import Example, capture
from isthmus.discovery.gauge import fold
from isthmus.discovery.gauge.attaching import attach
from isthmus.discovery.gauge.idioms.asked import answered
from isthmus.discovery.interpret import interpret
from isthmus.ground.collecting import young_only
from isthmus.ground.errors import BadInput


def discover(
    model: nn.Module,
    example: Example,
    *,
    gauge: Literal["folded", "asis"] = "folded",
    unknown: Literal["pin", "raise"] = "pin",
) -> Symmetry:
    """Derive the parameter-symmetry group of a model.

    The model is traced once (no value is computed), every tensor axis gets a type, and every
    operator's typing rule says which axes are the same space and what may act on it.

    Args:
        model: any module that ``torch.export`` can trace; it is not changed.
        example: a tensor, a tuple of inputs, or a dict of keyword inputs.
        gauge: "folded" finds the largest group, which acts after redundant coordinates (gains
            and biases that other parameters could hold, means that nothing sees) are taken out;
            `Symmetry.act` still takes and gives parameters as they are. "asis" finds what acts on
            every parameter linearly.
        unknown: "pin" keeps fixed what an operator without a rule touches, and warns;
            "raise" refuses.

    Raises:
        CaptureFailed: the model cannot be traced on this example.
        UnknownOperator: an operator has no rule and ``unknown`` is "raise".
    """
    if gauge not in ("folded", "asis"):
        raise BadInput(f'gauge is {gauge!r}, expected "folded" or "asis"', "pass one of these")
    if unknown not in ("pin", "raise"):
        raise BadInput(f"unknown is {unknown!r}", 'pass "pin" or "raise"')
    with young_only():
        program = capture(model, example)
        if gauge == "asis":
            return assemble(interpret(answered(program), unknown))
        folded = fold(program)
        return attach(assemble(interpret(folded.program, unknown)), program, folded)
