"""The weighted mean of Params: model soups, and the middle of a linear path."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from isthmus.ground import BadInput, Params, is_real_valued
from isthmus.merging.mergers import AbstractMerger


@final
@dataclass(frozen=True)
class Average(AbstractMerger):
    """Σ wₖ modelₖ / Σ wₖ, summed in float64 and rounded once; integer tensors are the first's.

    Args:
        weights: One number per model, none negative and not all zero; only their ratios matter, for
            they are divided by their sum. None weighs all the same.

    Raises:
        BadInput: A weight is negative or not finite, or all are zero; on a call, there is not one
            per model.
    """

    weights: Sequence[float] | None = None

    def __post_init__(self) -> None:
        if self.weights is None:
            return
        bad = [w for w in self.weights if not (math.isfinite(w) and w >= 0)]
        if bad or not sum(self.weights) > 0:
            found = f"a weight is {bad[0]}" if bad else f"the weights are {list(self.weights)}"
            raise BadInput(
                f"{found}, expected finite numbers, none negative and not all zero",
                "give one weight per model, such as its share of the data",
            )

    def __call__(self, models: Sequence[Mapping[str, Tensor]]) -> Params:
        """The mean of ``models``."""
        weights = self.weights or [1.0] * len(models)
        if len(weights) != len(models):
            raise BadInput(
                f"{len(weights)} weights for {len(models)} models, expected one each",
                "give as many weights as models, or none for equal ones",
            )
        return {name: _mean([m[name] for m in models], weights) for name in models[0]}


def _mean(tensors: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    first = tensors[0]
    if not is_real_valued(first):
        return first.clone()
    total = torch.zeros_like(first, dtype=torch.complex128 if first.is_complex() else torch.float64)
    for tensor, weight in zip(tensors, weights, strict=True):
        total += tensor.to(total) * weight
    return (total / math.fsum(weights)).to(first.dtype)
