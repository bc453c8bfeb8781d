"""WeightAverage: the running mean of what a training passes through."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from isthmus.ground import BadInput, Params, is_real_valued
from isthmus.landscape.paths import require_alike


@dataclass(eq=False)
class WeightAverage:
    """A weighted running mean of Params, for any training loop (SWA, Izmailov et al. 2018).

    It holds one copy, in float32 or wider. Integer tensors are those of the first Params. What a
    BatchNorm measured is averaged too, which is not what the averaged weights would measure:
    `recompute_statistics(model, average.params, batches)` puts that right.

    Attributes:
        count: How many were added.
        weight: The sum of their weights.

    Example:
        >>> average = WeightAverage()  # doctest: +SKIP
        >>> for epoch in range(10):  # doctest: +SKIP
        ...     one_epoch(model)
        ...     average.add(params_of(model))
        >>> averaged = recompute_statistics(model, average.params, batches)  # doctest: +SKIP
    """

    count: int = field(default=0, init=False)
    weight: float = field(default=0.0, init=False)
    _first: Params = field(default_factory=dict, init=False, repr=False)
    _mean: Params = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def of(cls, models: Iterable[Mapping[str, Tensor]]) -> WeightAverage:
        """That of given models, all with the same weight. Raises as `add`."""
        average = cls()
        for params in models:
            average.add(params)
        return average

    @torch.no_grad()
    def add(self, params: Mapping[str, Tensor], weight: float = 1.0) -> None:
        """Take in one more point; nothing of it is kept.

        Args:
            params: What `params_of` gives, at any moment of a training.
            weight: How much it counts, beside the others.

        Raises:
            BadInput: The weight is not positive and finite.
            UnknownName: The names are not those of the first; so ShapeMismatch and DtypeMismatch.
        """
        if not 0 < weight < math.inf:
            raise BadInput(f"weight is {weight}, expected a positive number", "1 is usual")
        if self.count:
            require_alike(self._first, params)
        else:
            self._first = {n: _bare(x) for n, x in params.items()}
            self._mean = {n: _wide(x) for n, x in params.items() if is_real_valued(x)}
        self.count += 1
        self.weight += weight
        for name, mean in self._mean.items():
            mean.add_(params[name].to(mean) - mean, alpha=weight / self.weight)

    @property
    def params(self) -> Params:
        """The mean, a copy, in the dtypes of what was added.

        Raises:
            BadInput: Nothing was added yet.
        """
        if not self.count:
            raise BadInput("an average of nothing", "add Params first")
        return {
            name: self._mean[name].to(like.dtype, copy=True) if name in self._mean else like
            for name, like in self._first.items()
        }


def _bare(tensor: Tensor) -> Tensor:
    """What tells names, shapes and dtypes; the numbers only where they are not averaged."""
    return tensor.to("meta") if is_real_valued(tensor) else tensor.clone()


def _wide(tensor: Tensor) -> Tensor:
    return tensor.detach().to(torch.promote_types(tensor.dtype, torch.float32), copy=True)
