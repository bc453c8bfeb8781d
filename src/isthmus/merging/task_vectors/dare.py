"""DARE: task vectors thinned at random."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from isthmus.ground import BadInput
from isthmus.merging.task_vectors.arithmetic import AbstractTaskMerger, Vectors


@final
@dataclass(frozen=True, eq=False)
class Dare(AbstractTaskMerger):
    """Drop entries of the task vectors at random, rescale the rest, then merge (Yu et al. 2024).

    Each entry is dropped with probability ``drop`` and else divided by ``1 - drop``, so that its
    mean stays.

    Args:
        then: How the thinned vectors are merged: `TaskArithmetic`, `Ties`.
        drop: In [0, 1).
        seed: Fixes which.

    Raises:
        BadInput: ``drop`` is not in [0, 1).
    """

    then: AbstractTaskMerger
    drop: float = 0.9
    seed: int = 0
    base: Mapping[str, Tensor] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.drop < 1:
            raise BadInput(f"drop is {self.drop}, expected a share in [0, 1)", "give 0.9, say")
        object.__setattr__(self, "base", self.then.base)

    def combine(self, vectors: Vectors) -> dict[str, Tensor]:
        """Thinned, then merged."""
        generator = torch.Generator().manual_seed(self.seed)
        names = sorted(vectors[0])  # the same entries whatever the order of a file
        return self.then.combine(
            [{n: self._thinned(vector[n], generator) for n in names} for vector in vectors]
        )

    def _thinned(self, tensor: Tensor, generator: torch.Generator) -> Tensor:
        kept = torch.rand(tensor.shape, generator=generator, dtype=torch.float64) >= self.drop
        return torch.where(kept.to(tensor.device), tensor / (1 - self.drop), 0.0)
