"""Snapshots: the models at the bottom of every cycle of the step size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import nn

from isthmus.ground import Params, params_of


@dataclass(eq=False)
class Snapshots:
    """Copies of a model in training, taken after chosen steps, in any training loop.

    With the lowest steps of a `CyclicRate` its members are those of fast geometric ensembling
    (FGE, Garipov et al. 2018), and their `WeightAverage` is SWA (Izmailov et al. 2018).

    Args:
        chosen: Whether to take one after a step, as ``CyclicRate.lowest``; steps count from 0.
        begin: The first step after which one may be taken.

    Attributes:
        members: Those taken, in order.

    Example:
        >>> rate = CyclicRate(high=0.1, low=0.01, cycle=200)  # doctest: +SKIP
        >>> snapshots = Snapshots(rate.lowest)  # doctest: +SKIP
        >>> for step, batch in enumerate(batches):  # doctest: +SKIP
        ...     optimiser.param_groups[0]["lr"] = rate(step)
        ...     descend(model, optimiser, batch)
        ...     snapshots.after(step, model)
    """

    chosen: Callable[[int], bool]
    begin: int = 0
    members: list[Params] = field(default_factory=list, init=False, repr=False)

    def after(self, step: int, model: nn.Module) -> bool:
        """Tell that a step was taken; gives whether the model was copied."""
        taken = step >= self.begin and self.chosen(step)
        if taken:
            self.members.append({name: x.clone() for name, x in params_of(model).items()})
        return taken
