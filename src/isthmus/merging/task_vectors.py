"""Merging fine-tuned models by their task vectors, what each has learned beyond a common base."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from isthmus.ground import BadInput, Params, check, is_real_valued
from isthmus.merging.mergers import AbstractMerger

Vectors = list[dict[str, Tensor]]
"""Model minus base, one each: real numbers in float64, complex ones as pairs."""


class AbstractTaskMerger(AbstractMerger):
    """The base plus what is made of the task vectors; integer tensors are the base's.

    Attributes:
        base: The model from which all others were fine-tuned.
    """

    base: Mapping[str, Tensor]

    @abstractmethod
    def combine(self, vectors: Vectors) -> dict[str, Tensor]:
        """One vector of several."""

    def __call__(self, models: Sequence[Mapping[str, Tensor]]) -> Params:
        """The merged Params.

        Raises:
            UnknownName: The base has other names than the models; so ShapeMismatch, DtypeMismatch.
            NotFinite: The base holds NaN or infinity.
        """
        base = check(self.base, models[0], source="the base")
        real = {name: _real(tensor) for name, tensor in base.items() if is_real_valued(tensor)}
        added = self.combine([{n: _real(m[n]) - t for n, t in real.items()} for m in models])
        return {
            name: _like(real[name] + added[name], tensor) if name in real else tensor.clone()
            for name, tensor in base.items()
        }


@final
@dataclass(frozen=True, eq=False)
class TaskArithmetic(AbstractTaskMerger):
    """``base + scale Σ τₖ`` (Ilharco et al. 2023); ``scale = 1/n`` is the average.

    Args:
        base: The common base.
        scale: λ; a negative one unlearns.
    """

    base: Mapping[str, Tensor] = field(repr=False)
    scale: float = 0.4

    def combine(self, vectors: Vectors) -> dict[str, Tensor]:
        """Their sum, scaled."""
        return {n: self.scale * torch.stack([v[n] for v in vectors]).sum(0) for n in vectors[0]}


@final
@dataclass(frozen=True, eq=False)
class Ties(AbstractTaskMerger):
    """Trim, elect signs, merge (Yadav et al. 2023, TIES).

    Of every task vector only the largest entries are kept; each entry gets the sign of the sum of
    what was kept; and becomes the mean of those that have that sign.

    Args:
        base: The common base.
        keep: The share of the entries of each vector that is kept, in (0, 1].
        scale: λ, by which the result is multiplied.

    Raises:
        BadInput: ``keep`` is not in (0, 1].
    """

    base: Mapping[str, Tensor] = field(repr=False)
    keep: float = 0.2
    scale: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.keep <= 1:
            raise BadInput(f"keep is {self.keep}, expected a share in (0, 1]", "give 0.2, say")

    def combine(self, vectors: Vectors) -> dict[str, Tensor]:
        """Trimmed, elected, averaged."""
        trimmed = [_trimmed(vector, self.keep) for vector in vectors]
        return {name: self._merged(torch.stack([v[name] for v in trimmed])) for name in trimmed[0]}

    def _merged(self, stack: Tensor) -> Tensor:
        agree = (stack != 0) & (stack.sign() == stack.sum(0).sign())
        return self.scale * torch.where(agree, stack, 0.0).sum(0) / agree.sum(0).clamp_min(1)


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


def _trimmed(vector: Mapping[str, Tensor], keep: float) -> dict[str, Tensor]:
    """Zero but for the largest entries of the whole vector."""
    sizes = torch.cat([tensor.abs().flatten() for tensor in vector.values()])
    dropped = len(sizes) - math.ceil(keep * len(sizes))
    if not dropped:
        return dict(vector)
    least = sizes.kthvalue(dropped).values
    return {name: torch.where(t.abs() > least, t, 0.0) for name, t in vector.items()}


def _real(tensor: Tensor) -> Tensor:
    if tensor.is_complex():
        return torch.view_as_real(tensor.to(torch.complex128))
    return tensor.double()


def _like(tensor: Tensor, like: Tensor) -> Tensor:
    return (torch.view_as_complex(tensor) if like.is_complex() else tensor).to(like.dtype)
