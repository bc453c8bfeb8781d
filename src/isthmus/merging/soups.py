"""GreedySoup: the mean of those models that help it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

from torch import Tensor

from isthmus.ground import Params
from isthmus.merging.average import Average
from isthmus.merging.mergers import AbstractMerger


@final
@dataclass(frozen=True, eq=False)
class GreedySoup(AbstractMerger):
    """Models from the best on, each kept if the mean with it is no worse (Wortsman et al. 2022).

    Args:
        loss: On held-out data, as `Loss`; of statistics too, where they are recomputed there.
    """

    loss: Callable[[Mapping[str, Tensor]], float]

    def __call__(self, models: Sequence[Mapping[str, Tensor]]) -> Params:
        """The soup."""
        ordered = sorted(models, key=self.loss)
        kept = ordered[:1]
        best = self.loss(kept[0])
        for model in ordered[1:]:
            value = self.loss(Average()([*kept, model]))
            if value <= best:
                kept, best = [*kept, model], value
        return Average()(kept)
