"""`--model`: the module whose checkpoints are given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from isthmus.cli.inputs.configured import configured_example
from isthmus.cli.inputs.examples import Example
from isthmus.cli.inputs.exported import from_export
from isthmus.cli.inputs.factories import call_factory
from isthmus.cli.inputs.huggingface import from_folder
from isthmus.ground.errors import BadInput


@dataclass(frozen=True)
class Named:
    """A module that was named, and how to make its inputs where its source says them."""

    module: nn.Module
    example: Callable[[], Example] | None = None


def load(spec: str, *, values: bool = True) -> Named:
    """The module that ``spec`` names, in evaluation mode.

    Args:
        spec: a Hugging Face folder, a ``.pt2`` file, or a factory: ``pkg.module:factory`` or
            ``file.py:factory``.
        values: whether its parameters must hold numbers; a folder's are meta tensors otherwise.

    Raises:
        BadInput: there is no such model, or it cannot be made.
        MissingExtra: a folder needs transformers.
    """
    if Path(spec).is_dir():
        model = from_folder(Path(spec), values=values)
        return Named(model, lambda: configured_example(model))
    if spec.endswith(".pt2"):
        return Named(*from_export(Path(spec)))
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
    return Named(model.eval())


def load_model(spec: str) -> nn.Module:
    """The module that ``spec`` names, with numbers. Raises as `load`."""
    return load(spec).module
