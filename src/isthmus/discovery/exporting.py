"""Exporting: ``torch.export`` as capture uses it, and the models that it is not asked about."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, fx, nn

from isthmus.discovery.rebinding import rebind
from isthmus.ground.errors import CaptureFailed

KINDS = frozenset({torch.float16, torch.bfloat16, torch.float32, torch.float64})
"""Floating point numbers that can be multiplied as they are stored."""

CHATTY = ("torch.fx.experimental.symbolic_shapes", "torch._subclasses.fake_tensor")
"""Loggers that tell at length of a failure whose error says enough."""


def check_state(model: nn.Module) -> None:
    """Refuse models whose weights no group acts on: quantised, packed, sparse, float8, complex.

    Raises:
        CaptureFailed: names the first such tensor.
    """
    for name, value in model.state_dict(keep_vars=True).items():
        found = _strange(value)
        if found and not name.endswith("_extra_state"):
            raise CaptureFailed(
                f"{name} of {type(model).__name__} is {found}, expected a dense tensor of "
                "floating point numbers of 16, 32 or 64 bits",
                "discover the model as it was before it was converted, or load it in float32",
            )


def _strange(value: Any) -> str:
    """What is unusual about an entry of a state dict; nothing for those that are understood."""
    if not isinstance(value, Tensor):
        return "" if isinstance(value, torch.dtype) else f"a {type(value).__name__}, not a tensor"
    kind = str(value.dtype).removeprefix("torch.")
    if value.is_quantized:
        return f"quantised ({kind})"
    if value.layout is not torch.strided:
        return str(value.layout).removeprefix("torch.")
    if isinstance(value, nn.Parameter) and value.is_complex():
        return f"a complex parameter ({kind})"
    return kind if value.is_floating_point() and value.dtype not in KINDS else ""


def exported(
    model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> torch.export.ExportedProgram:
    """The exported program; made functional where the model writes in place."""
    with warnings.catch_warnings(), _quiet():
        # Recurrent layers assign their flat weights while they are traced: no concern here.
        warnings.filterwarnings("ignore", message=".*assigned during export.*")
        warnings.filterwarnings("ignore", message="Converting a tensor with requires_grad=True")
        exported = torch.export.export(model, args, kwargs, strict=False)
        graphs = [m.graph for m in exported.graph_module.modules() if isinstance(m, fx.GraphModule)]
        if not rebind(graphs):
            functional: torch.export.ExportedProgram = exported.run_decompositions({})
            return functional
    return exported


@contextmanager
def _quiet() -> Iterator[None]:
    """Where it fails, export prints its partial graph; the error says enough."""
    loggers = [logging.getLogger(name) for name in CHATTY]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
