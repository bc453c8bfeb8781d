"""Renormalise: REPAIR and RESCALE (Jordan et al. 2023), for networks without norms.

Where two models are averaged, what their units say interferes: activations of the middle vary less
than those of the ends, and the less the deeper. REPAIR gives each channel of each layer the mean
and standard deviation that it has at the ends, interpolated.
"""

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
class Renormalise:
    """Weights and biases of every layer scaled and shifted, channel by channel, the last excepted.

    Layers are linear maps and convolutions, taken in the order in which they run, each after those
    before it are repaired. One without a bias is only scaled; one that shares its weight with
    another, and one that a norm follows, need no such repair: leave them out of ``layers``.

    Args:
        model: The module whose architecture the Params have.
        batches: Pairs (inputs, targets); targets are ignored. Read once for each layer.
        ends: The models that were merged, aligned.
        weights: As they were merged with; None weighs all the same.
        shift: Whether means are set too (REPAIR); else only standard deviations (RESCALE).
        layers: Names of modules; None means all but the last.

    Raises:
        BadInput: On a call: a name is no layer, or a layer does not run.
    """

    model: nn.Module
    batches: Iterable[Batch]
    ends: Sequence[Mapping[str, Tensor]] = field(repr=False)
    weights: Sequence[float] | None = None
    shift: bool = True
    layers: Sequence[str] | None = None

    def __post_init__(self) -> None:
        if iter(self.batches) is self.batches:  # a generator would be empty the second time
            object.__setattr__(self, "batches", tuple(self.batches))

    def __call__(self, params: Mapping[str, Tensor]) -> Params:
        """``params`` repaired."""
        layers = Layers(self.model, self.batches)
        order = layers.order(params, self.layers)
        names = order if self.layers is not None else order[:-1]
        goals = [layers.moments(end, names) for end in self.ends]
        found = {name: tensor.clone() for name, tensor in params.items()}
        for name in names:
            wanted = _mixed([goal[name] for goal in goals], self.weights)
            reset(found, name, layers.moments(found, [name])[name], wanted, self.shift)
        return found


def reset(params: Params, name: str, found: Moments, wanted: Moments, shift: bool) -> None:
    """Scale and shift a layer's channels in place, so that they get the wanted moments."""
    # A unit that never changes stays as it is.
    moves = found.deviation > 1e-12
    ratio = torch.where(moves, wanted.deviation / found.deviation.clamp_min(1e-12), 1.0)
    weight = params[f"{name}.weight"]
    rows = ratio.reshape(-1, *[1] * (weight.dim() - 1))
    params[f"{name}.weight"] = (weight.double() * rows).to(weight.dtype)
    bias = params.get(f"{name}.bias")
    if bias is not None:
        kept, added = (found.mean, wanted.mean) if shift else (0.0, 0.0)
        params[f"{name}.bias"] = ((bias.double() - kept) * ratio + added).to(bias.dtype)


def _mixed(moments: Sequence[Moments], weights: Sequence[float] | None) -> Moments:
    """The weighted means of means and of deviations."""
    shares = torch.tensor(weights or [1.0] * len(moments), dtype=torch.float64)
    shares = shares / shares.sum()
    mean, deviation = (torch.stack(rows) for rows in zip(*moments, strict=True))
    return Moments(shares @ mean, shares @ deviation)
