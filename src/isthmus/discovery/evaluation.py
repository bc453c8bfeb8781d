"""Running a model in float64 at given parameters: what `verify` and `completeness` share."""

from __future__ import annotations

from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from isthmus.algebra.groups import FLOAT
from isthmus.algebra.symmetry import Params
from isthmus.discovery.capture import Example, as_inputs
from isthmus.discovery.precision import DoublePrecision

Inputs: TypeAlias = "tuple[tuple[Any, ...], dict[str, Any]]"
"""Positional and keyword inputs."""


def run(model: nn.Module, params: Params, inputs: Inputs) -> list[Tensor]:
    """All tensors that the model returns with these parameters."""
    with torch.no_grad():
        return outputs(model, params, inputs, DoublePrecision())


def outputs(
    model: nn.Module, params: Params, inputs: Inputs, precision: DoublePrecision
) -> list[Tensor]:
    """As `run`, recorded for gradients where the caller records."""
    # Copies, because a model may write into its inputs and buffers.
    args, kwargs, own = torch.utils._pytree.tree_map_only(Tensor, Tensor.clone, (*inputs, params))
    narrow = torch.get_default_dtype()
    torch.set_default_dtype(FLOAT)
    try:
        with precision:
            out = torch.func.functional_call(model, own, args, kwargs, tie_weights=True)
    finally:
        torch.set_default_dtype(narrow)
    leaves, _ = torch.utils._pytree.tree_flatten(out)
    return [leaf for leaf in leaves if isinstance(leaf, Tensor)]


def double_inputs(example: Example, generator: torch.Generator) -> Inputs:
    """The example in float64; float inputs of zeros are replaced by noise, so that they count."""

    def wide(value: Any) -> Any:
        if isinstance(value, Tensor) and value.is_floating_point():
            plain = value.device.type == "meta" or not bool(value.any())
            noise = torch.randn(value.shape, generator=generator, dtype=FLOAT)
            return noise if plain else value.to(FLOAT)
        return value

    args, kwargs = as_inputs(example)
    return tuple(wide(a) for a in args), {k: wide(v) for k, v in kwargs.items()}


def perturbed(params: Params, generator: torch.Generator) -> Params:
    """Each tensor plus noise of its own size; variances stay positive because they are scaled."""
    out: Params = {}
    for name, tensor in params.items():
        if not tensor.is_floating_point() or not tensor.numel():
            out[name] = tensor
            continue
        noise = torch.randn(tensor.shape, generator=generator, dtype=FLOAT)
        if bool((tensor > 0).all()):
            out[name] = tensor * torch.exp(0.3 * noise)
        else:
            size = float(tensor.square().mean().sqrt()) or 0.1
            out[name] = tensor + 0.3 * size * noise
    return out
