"""discover: the symmetry group of any PyTorch module, from its program."""

from __future__ import annotations

from typing import Literal

from torch import nn

from isthmus.algebra.symmetry import Symmetry
from isthmus.discovery.assemble import assemble
from isthmus.discovery.capture import Example, capture
from isthmus.discovery.interpret import interpret
from isthmus.ground.errors import BadInput


def discover(
    model: nn.Module,
    example: Example,
    *,
    gauge: Literal["asis"] = "asis",
    unknown: Literal["pin", "raise"] = "pin",
) -> Symmetry:
    """Derive the parameter-symmetry group of a model.

    The model is traced once (no value is computed), every tensor axis gets a type, and every
    operator's typing rule says which axes are the same space and what may act on it.

    Args:
        model: any module that ``torch.export`` can trace; it is not changed.
        example: a tensor, a tuple of inputs, or a dict of keyword inputs.
        gauge: "asis" finds what acts on the parameters as they are.
        unknown: "pin" keeps fixed what an operator without a rule touches, and warns;
            "raise" refuses.

    Raises:
        CaptureFailed: the model cannot be traced on this example.
        UnknownOperator: an operator has no rule and ``unknown`` is "raise".
    """
    if gauge != "asis":
        raise BadInput(f'gauge is {gauge!r}, expected "asis"', 'pass gauge="asis"')
    if unknown not in ("pin", "raise"):
        raise BadInput(f"unknown is {unknown!r}", 'pass "pin" or "raise"')
    return assemble(interpret(capture(model, example), unknown))
