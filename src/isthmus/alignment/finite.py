"""Models that hold NaN or infinity are refused."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from isthmus.ground.errors import NotFinite


def check_finite(params: Mapping[str, Tensor], which: str) -> None:
    """Nothing, if every number of the model called ``which`` is finite.

    Raises:
        NotFinite: one is not.
    """
    for name, tensor in params.items():
        if tensor.is_floating_point() and not _finite(tensor):
            raise NotFinite(
                f"{name} of {which} holds NaN or infinity", "align models of finite weights"
            )


def _finite(tensor: Tensor) -> bool:
    """Whether all entries are finite, in one pass without a copy (NaN stays NaN in extremes)."""
    return not tensor.numel() or all(bool(torch.isfinite(x)) for x in torch.aminmax(tensor))
