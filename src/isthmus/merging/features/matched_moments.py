"""MatchedMoments: REPAIR for merges by features, whose ends are no models of the same units."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from isthmus.ground import Params, double
from isthmus.landscape.running import Batch
from isthmus.merging.features.common import CommonUnits
from isthmus.merging.features.merger import WideBatches
from isthmus.merging.repairs.layers import Layers, Moments
from isthmus.merging.repairs.renormalise import reset


@final
@dataclass(frozen=True, eq=False)
class MatchedMoments:
    """Every unit of a merged model gets the mean and deviation that its members have.

    As `Renormalise` (REPAIR, Jordan et al. 2023), layer after layer, the last excepted; only that
    what units of the models show is carried to common units first, so that it serves where these
    are no permutation: merged within a model, mixed by canonical correlation, kept apart. Moments
    of a unit are the mean of those of the models that have a share in it, weighed by how many of
    its members are theirs.

    Args:
        model: The module whose architecture the merged model has.
        batches: Pairs (inputs, targets); targets are ignored. Read once for each layer.
        common: What the merge was made by: ``method.common(models)``.
        shift: Whether means are set too; else only standard deviations.
        of: The module of the ends where it is another than ``model`` (`into`).
    """

    model: nn.Module
    batches: Iterable[Batch]
    common: CommonUnits
    shift: bool = True
    of: nn.Module | None = None

    def __post_init__(self) -> None:
        if iter(self.batches) is self.batches:  # a generator would be empty the second time
            object.__setattr__(self, "batches", tuple(self.batches))

    def __call__(self, params: Mapping[str, Tensor]) -> Params:
        """``params`` repaired, in the gauge of the symmetry."""
        given = self.common.target.canonical(double(params))
        layers = Layers(self.model, WideBatches(self.batches))
        names = [n for n in layers.order(given, None)[:-1] if f"{n}.weight" in given]
        wanted = self._wanted(names)
        found = dict(given)
        for name in names:
            reset(found, name, layers.moments(found, [name])[name], wanted[name], self.shift)
        return {name: tensor.to(params[name].dtype) for name, tensor in found.items()}

    def _wanted(self, names: Sequence[str]) -> dict[str, Moments]:
        """By layer, of common units."""
        layers = Layers(self.of or self.model, WideBatches(self.batches))
        sums: dict[str, tuple[Tensor, Tensor, Tensor]] = {}
        for number, end in enumerate(self.common.canonical()):
            counts: dict[str, Tensor] = {}

            def seen(name: str, rows: Tensor, k: int = number, n: Params = counts) -> Tensor:
                total, count = self.common.channels(f"{name}.weight", k, rows)
                n[name] = count[:, 0]
                return total / count.clamp_min(1)

            for name, (mean, size) in layers.moments(end, names, seen).items():
                n = counts[name]
                before = sums.get(name, (torch.zeros_like(n),) * 3)
                sums[name] = (before[0] + n * mean, before[1] + n * size, before[2] + n)
        return {name: Moments(mean / n, size / n) for name, (mean, size, n) in sums.items()}
