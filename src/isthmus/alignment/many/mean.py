"""The mean of many models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from isthmus.algebra.symmetry import Params
from isthmus.ground.params import is_real_valued


def mean_of(models: Sequence[Mapping[str, Tensor]], reference: int = 0) -> Params:
    """Summed in float64 and rounded once, in the dtypes of the models.

    Args:
        models: of one architecture.
        reference: the number of the model whose integers are taken.
    """
    out: Params = {}
    for name, like in models[reference].items():
        if is_real_valued(like):
            total = torch.zeros_like(like, dtype=torch.promote_types(like.dtype, torch.float64))
            for params in models:
                total += params[name]
            out[name] = (total / len(models)).to(like.dtype)
        else:
            out[name] = like.clone()
    return out
