"""Task vectors, what each fine-tuned model has learned beyond a common base; and their sum."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from isthmus.ground import Params, check, is_real_valued
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


def _real(tensor: Tensor) -> Tensor:
    if tensor.is_complex():
        return torch.view_as_real(tensor.to(torch.complex128))
    return tensor.double()


def _like(tensor: Tensor, like: Tensor) -> Tensor:
    return (torch.view_as_complex(tensor) if like.is_complex() else tensor).to(like.dtype)
