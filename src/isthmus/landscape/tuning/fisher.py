"""DiagonalFisher: how much the loss rises with each parameter alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from isthmus.ground import Params, Result
from isthmus.landscape.loss import Loss
from isthmus.landscape.tuning.draws import drawn_gradients


@final
@dataclass(frozen=True, eq=False)
class DiagonalFisher(Result):
    """The diagonal of the Fisher matrix (Kirkpatrick et al. 2017).

    Attributes:
        values: By parameter, of its shape: the mean square of the slopes of single samples, their
            targets drawn from the model.
    """

    values: Params = field(repr=False, metadata={"json": False})

    @classmethod
    def of(
        cls, loss: Loss, params: Mapping[str, Tensor], samples: int | None = 200, seed: int = 0
    ) -> DiagonalFisher:
        """From the first ``samples`` of a task. Raises as `drawn_gradients`."""
        total: Params = {}
        count = 0
        for found in drawn_gradients(loss, params, samples, seed):
            count += 1
            for name, slope in found.items():
                total[name] = total.get(name, torch.zeros_like(slope)) + slope.square()
        return cls({name: value / max(count, 1) for name, value in total.items()})

    def energy(self, change: Mapping[str, Tensor]) -> Tensor:
        """``Σ Fᵢ δᵢ²``."""
        parts = [(self.values[n].to(t) * t.square()).sum() for n, t in change.items()
                 if n in self.values]  # fmt: skip
        return torch.stack(parts).sum()

    def __str__(self) -> str:
        total = sum(float(value.sum()) for value in self.values.values())
        return f"DiagonalFisher: trace {total:.4g} over {len(self.values)} tensors"
