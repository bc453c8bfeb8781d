"""`--model`: the module whose checkpoints are given."""

from __future__ import annotations

from torch import nn

from isthmus.cli.inputs.factories import call_factory
from isthmus.ground.errors import BadInput


def load_model(spec: str) -> nn.Module:
    """The module that the factory `spec` returns, in evaluation mode.

    Raises:
        BadInput: There is no such factory, it raises, or it returns something else.
    """
    if ":" not in spec and spec.endswith((".safetensors", ".pt", ".pth", ".bin")):
        raise BadInput(
            f"--model {spec!r} is a checkpoint, expected a model",
            "code is never run from a checkpoint: give file.py:factory",
        )
    model = call_factory(spec, "--model")
    if not isinstance(model, nn.Module):
        raise BadInput(
            f"--model {spec}: the factory returned a {type(model).__name__}, expected a module",
            "return a torch.nn.Module",
        )
    return model.eval()
