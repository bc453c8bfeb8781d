"""Vanishing features: how much of what a merged model computes still depends on its input."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from isthmus.ground import BadInput, Result
from isthmus.landscape import Loss
from isthmus.landscape.modules import modules_of
from isthmus.landscape.running import Batch
from isthmus.merging.running import watch


@final
@dataclass(frozen=True)
class Split(Result):
    """The output of a layer, ``offset + what depends on the input``, in root mean squares.

    Attributes:
        varying: Of the difference from the mean over the samples.
        offset: Of that mean.
    """

    varying: float
    offset: float

    @property
    def share(self) -> float:
        """How much of the square of the output depends on the input: 0 to 1."""
        whole = math.hypot(self.varying, self.offset)
        return (self.varying / whole) ** 2 if whole else 0.0


@final
@dataclass(frozen=True)
class VanishingFeatures(Result):
    """What of each layer depends on the input, in the merged model and in its ends.

    Attributes:
        merged: By layer, in the order in which they run.
        ends: The same for each of the models that were merged.
    """

    merged: Mapping[str, Split]
    ends: tuple[Mapping[str, Split], ...]

    @property
    def left(self) -> dict[str, float]:
        """By layer, the size of what varies in the merged model over its mean in the ends."""
        count = len(self.ends)
        means = {n: math.fsum(end[n].varying for end in self.ends) / count for n in self.merged}
        return {n: self.merged[n].varying / mean if mean else 1.0 for n, mean in means.items()}

    @property
    def shares(self) -> dict[str, tuple[float, float]]:
        """By layer, the share that varies: of the merged model, and its mean over the ends."""
        return {
            name: (
                self.merged[name].share,
                math.fsum(end[name].share for end in self.ends) / len(self.ends),
            )
            for name in self.merged
        }

    def to_json(self) -> dict[str, object]:
        """The fields, and what is left."""
        return {**super().to_json(), "left": self.left}

    def __str__(self) -> str:
        width = max(map(len, self.merged), default=0)
        shares, left = self.shares, self.left
        rows = [
            f"  {name:<{width}}  {shares[name][0]:8.4f}  {shares[name][1]:8.4f}  {left[name]:9.4f}"
            for name in self.merged
        ]
        head = f"  {'layer':<{width}}  {'merged':>8}  {'ends':>8}  {'size left':>9}"
        return "\n".join(["the share of each layer that depends on the input", head, *rows])


def vanishing_features(
    loss: Loss,
    merged: Mapping[str, Tensor],
    ends: Sequence[Mapping[str, Tensor]],
    layers: Sequence[str] | None = None,
) -> VanishingFeatures:
    """Whether the features of a merged model vanish on the way (Qu and Horvath 2025).

    Every output of a module is split into its mean over the samples and the rest: the response to
    a zero input, another choice of an offset, is not defined for tokens.

    Args:
        loss: Its model and its batches are used.
        merged: The merged model.
        ends: The models it was merged from, aligned.
        layers: Names of modules; None takes all that hold no others.

    Raises:
        BadInput: There are no ends, or no module gave a tensor, or the data do not fit the model.
        UnknownName: The model has no module of a name; or Params are not of it; so ShapeMismatch.
    """
    if not ends:
        raise BadInput("no ends to compare with", "give the models that were merged")
    modules = modules_of(loss.model, layers)
    found = [_splits(loss.model, params, loss.batches, modules) for params in (merged, *ends)]
    if not found[0]:
        raise BadInput("no layer gave a tensor", "name modules that return one")
    return VanishingFeatures(found[0], tuple(found[1:]))


def _splits(
    model: nn.Module,
    params: Mapping[str, Tensor],
    batches: Iterable[Batch],
    modules: Mapping[str, nn.Module],
) -> dict[str, Split]:
    sums: dict[str, tuple[int, Tensor, Tensor]] = {}

    def note(name: str, output: Tensor) -> None:
        rows = output.double()
        count, total, squares = sums.get(name, (0, torch.zeros(()), torch.zeros(())))
        sums[name] = (count + len(rows), total + rows.sum(0), squares + rows.square().sum(0))

    watch(model, params, batches, modules, note)
    return {
        name: Split(
            float((squares / count - (total / count).square()).clamp_min(0).mean().sqrt()),
            float((total / count).square().mean().sqrt()),
        )
        for name, (count, total, squares) in sums.items()
    }
