"""BiasCalibration: biases as small as what they are added to has become."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor, nn

from isthmus.ground import Params
from isthmus.landscape.running import Batch
from isthmus.merging.repairs.layers import Layers, Moments


@final
@dataclass(frozen=True, eq=False)
class BiasCalibration:
    """The bias of every layer times the share of the input's traces that is left there.

    In a merged model what depends on the input shrinks from layer to layer and biases do not, so
    that they come to outweigh it (Qu and Horvath 2025, vanishing features). Here, layer after
    layer, each bias is multiplied by ``ρ = s / Σ wₖ sₖ``, with s the length of the standard
    deviations of the layer's channels, in the merged model as repaired so far and in its ends.
    Where weights of a homogeneous network have shrunk, layer by layer, by any factors, this gives
    back its function up to one factor. No weight is changed: `Renormalise` does more.

    Args:
        model: The module whose architecture the Params have.
        batches: Pairs (inputs, targets); targets are ignored. Read once for each layer.
        ends: The models that were merged, aligned.
        weights: As they were merged with; None weighs all the same.
        layers: Names of linear maps and convolutions; None means all. Those without bias stay.

    Raises:
        BadInput: On a call: a name is no layer, or a layer does not run.
    """

    model: nn.Module
    batches: Iterable[Batch]
    ends: Sequence[Mapping[str, Tensor]] = field(repr=False)
    weights: Sequence[float] | None = None
    layers: Sequence[str] | None = None

    def __post_init__(self) -> None:
        if iter(self.batches) is self.batches:  # a generator would be empty the second time
            object.__setattr__(self, "batches", tuple(self.batches))

    def __call__(self, params: Mapping[str, Tensor]) -> Params:
        """``params`` repaired."""
        layers = Layers(self.model, self.batches)
        names = [n for n in layers.order(params, self.layers) if f"{n}.bias" in params]
        goals = [layers.moments(end, names) for end in self.ends]
        shares = torch.tensor(self.weights or [1.0] * len(goals), dtype=torch.float64)
        shares = shares / shares.sum()
        found = {name: tensor.clone() for name, tensor in params.items()}
        for name in names:
            wanted = float(shares @ torch.stack([_size(goal[name]) for goal in goals]))
            left = float(_size(layers.moments(found, [name])[name]))
            bias = found[f"{name}.bias"]
            # Where the ends do not depend on the input there, nothing can have vanished.
            found[f"{name}.bias"] = bias * (left / wanted) if wanted > 0 else bias
        return found


def _size(moments: Moments) -> Tensor:
    size: Tensor = torch.linalg.vector_norm(moments.deviation)
    return size
