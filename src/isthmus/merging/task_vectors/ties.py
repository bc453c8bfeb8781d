"""TIES: trim, elect signs, merge."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from isthmus.ground import BadInput
from isthmus.merging.task_vectors.arithmetic import AbstractTaskMerger, Vectors


@final
@dataclass(frozen=True, eq=False)
class Ties(AbstractTaskMerger):
    """Trim, elect signs, merge (Yadav et al. 2023, TIES).

    Of every task vector only the largest entries are kept; each entry gets the sign of the sum of
    what was kept; and becomes the mean of those that have that sign.

    Args:
        base: The common base.
        keep: The share of the entries of each vector that is kept, in (0, 1].
        scale: λ, by which the result is multiplied.

    Raises:
        BadInput: ``keep`` is not in (0, 1].
    """

    base: Mapping[str, Tensor] = field(repr=False)
    keep: float = 0.2
    scale: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.keep <= 1:
            raise BadInput(f"keep is {self.keep}, expected a share in (0, 1]", "give 0.2, say")

    def combine(self, vectors: Vectors) -> dict[str, Tensor]:
        """Trimmed, elected, averaged."""
        trimmed = [_trimmed(vector, self.keep) for vector in vectors]
        return {name: self._merged(torch.stack([v[name] for v in trimmed])) for name in trimmed[0]}

    def _merged(self, stack: Tensor) -> Tensor:
        agree = (stack != 0) & (stack.sign() == stack.sum(0).sign())
        return self.scale * torch.where(agree, stack, 0.0).sum(0) / agree.sum(0).clamp_min(1)


def _trimmed(vector: Mapping[str, Tensor], keep: float) -> dict[str, Tensor]:
    """Zero but for the largest entries of the whole vector."""
    kept = cut_below(torch.cat([tensor.abs().flatten() for tensor in vector.values()]), keep)
    parts = torch.split(kept, [tensor.numel() for tensor in vector.values()])
    return {
        name: torch.where(part.view_as(tensor) > 0, tensor, 0.0)
        for (name, tensor), part in zip(vector.items(), parts, strict=True)
    }


def cut_below(sizes: Tensor, keep: float) -> Tensor:
    """``sizes``, none negative, with all but the largest share of them set to zero."""
    dropped = len(sizes) - math.ceil(keep * len(sizes))
    if not dropped:
        return sizes
    return torch.where(sizes > sizes.kthvalue(dropped).values, sizes, 0.0)
