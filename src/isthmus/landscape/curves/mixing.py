"""Mixtures of Params: sums with weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from isthmus.ground import Params, is_real_valued


def mix(tensors: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """``Σ_k weights[k] tensors[k]``, summed in float32 or wider, in the dtype of the tensors.

    What has no weight is not looked at, whatever it holds.
    """
    dtype = tensors[0].dtype
    wide = torch.promote_types(dtype, torch.float32)
    total = torch.zeros_like(tensors[0], dtype=wide)
    for tensor, weight in zip(tensors, weights, strict=True):
        if weight:
            total.add_(tensor.detach().to(wide), alpha=weight)
    return total.to(dtype)


def mixture(points: Sequence[Mapping[str, Tensor]], weights: Sequence[float]) -> Params:
    """``Σ_k weights[k] points[k]``; integer tensors are those of the first point."""
    return {
        name: mix([point[name] for point in points], weights) if is_real_valued(tensor) else tensor
        for name, tensor in points[0].items()
    }
