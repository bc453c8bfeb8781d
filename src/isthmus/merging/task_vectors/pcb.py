"""PCB-Merging: parameters of several tasks compete, and are weighed by how they stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from isthmus.ground import BadInput
from isthmus.merging.task_vectors.arithmetic import AbstractTaskMerger, Vectors
from isthmus.merging.task_vectors.ties import cut_below


@final
@dataclass(frozen=True, eq=False)
class PcbMerging(AbstractTaskMerger):
    """Parameter competition balancing (Du et al. 2024, PCB-Merging).

    With n task vectors τᵢ, and ``norm`` that maps the entries of a vector onto [0, 1], each entry
    has the score ``βᵢ = softmax(n norm(τᵢ²)) · Σⱼ softmax(norm(τᵢ τⱼ))``: large where it matters to
    its own task and agrees with others. Of each vector the entries with the largest scores are
    kept, and the merged vector is ``λ Σ βᵢ τᵢ / Σ βᵢ``, entry by entry; nothing is added where no
    task keeps an entry.

    Args:
        base: The common base.
        keep: The share of the entries of each vector that is kept, in (0, 1].
        scale: λ, by which the result is multiplied.

    Raises:
        BadInput: ``keep`` is not in (0, 1].
    """

    base: Mapping[str, Tensor] = field(repr=False)
    keep: float = 0.1
    scale: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.keep <= 1:
            raise BadInput(f"keep is {self.keep}, expected a share in (0, 1]", "give 0.1, say")

    def combine(self, vectors: Vectors) -> dict[str, Tensor]:
        """Weighed by their scores."""
        names = list(vectors[0])
        rows = torch.stack([torch.cat([v[n].flatten() for n in names]) for v in vectors])
        scores = torch.stack([cut_below(score, self.keep) for score in _scores(rows)])
        total = scores.sum(0)
        mean = (scores * rows).sum(0) / torch.where(total > 0, total, 1.0)
        parts = torch.split(self.scale * mean, [vectors[0][n].numel() for n in names])
        return {n: part.view_as(vectors[0][n]) for n, part in zip(names, parts, strict=True)}


def _scores(rows: Tensor) -> Tensor:
    """β of every entry up to a common factor, ``(tasks, entries)``.

    Of logarithms, as each of a softmax over millions of entries is small.
    """
    own = torch.log_softmax(len(rows) * _normed(rows.square()), 1)
    with_others = torch.stack(
        [torch.log_softmax(_normed(row * rows), 1).logsumexp(0) for row in rows]
    )
    logs = own + with_others
    return (logs - logs.max()).exp()


def _normed(rows: Tensor) -> Tensor:
    """Every row mapped onto [0, 1]; one that is constant becomes zero."""
    low, high = rows.amin(1, keepdim=True), rows.amax(1, keepdim=True)
    return (rows - low) / torch.where(high > low, high - low, 1.0)
