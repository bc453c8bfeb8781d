"""What is put right after a merge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, final

import torch
from torch import Tensor, nn

from isthmus.ground import Params
from isthmus.landscape import recompute_statistics
from isthmus.landscape.running import Batch


class Repair(Protocol):
    """A repair: merged Params to better ones; a plain function will do."""

    def __call__(self, params: Params, /) -> Mapping[str, Tensor]:
        """The repaired Params; the given ones are left as they are."""


@final
@dataclass(frozen=True, eq=False)
class RecomputeStatistics:
    """BatchNorm statistics of the merged model from data: see `isthmus.landscape`.

    Args:
        model: The module whose architecture the Params have.
        batches: Pairs (inputs, targets); targets are ignored.
    """

    model: nn.Module
    batches: Iterable[Batch]

    def __call__(self, params: Mapping[str, Tensor]) -> Params:
        """``params`` with fresh statistics. Raises as `recompute_statistics`.

        Half precision is run in float32 and given back as it was.
        """
        half = (torch.float16, torch.bfloat16)
        wide = {n: t.float() if t.dtype in half else t for n, t in params.items()}
        found = recompute_statistics(self.model, wide, self.batches)
        return {n: t.to(params[n].dtype) for n, t in found.items()}
