"""The order in which a program reads its parameters: for drawings and listings."""

from __future__ import annotations

from torch import nn

from isthmus.discovery.capture import Example, capture


def parameter_order(model: nn.Module, example: Example) -> list[str]:
    """The state-dict names of a model's parameters in the order in which they are first read.

    Those that the program never reads are left out.

    Raises:
        CaptureFailed: the model cannot be traced on this example.
    """
    program = capture(model, example)
    read = (ref.name for op in program.ops for ref in op.refs())
    return list(dict.fromkeys(program.parameters[n] for n in read if n in program.parameters))
