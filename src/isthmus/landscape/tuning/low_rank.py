"""LowRankFisher: the directions in which a task's loss is steepest, by a sketch of gradients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from isthmus.ground import BadInput, Params
from isthmus.landscape.loss import Loss
from isthmus.landscape.tuning.draws import drawn_gradients
from isthmus.landscape.tuning.flat import FlatDirections


@final
@dataclass(frozen=True, eq=False)
class LowRankFisher(FlatDirections):
    """The Fisher matrix ``Σ λₖ vₖ vₖᵀ`` of a task, as its largest eigenvalues; flat is the rest.

    Also the Gauss-Newton matrix, where the two agree. To move off all vₖ is orthogonal gradient
    descent (Farajtabar et al. 2020), with the principal directions of Doan et al. 2021. The orbit's
    tangent is flat by itself: no sample's gradient has a part in it.

    Attributes:
        names: The parameters, in the order in which vectors are flattened; so ``shapes``.
        values: ``(rank,)``: λₖ, from the largest.
        basis: ``(rank, parameters)``: vₖ, orthonormal rows.
    """

    names: tuple[str, ...]
    shapes: tuple[torch.Size, ...] = field(repr=False, metadata={"json": False})
    values: Tensor
    basis: Tensor = field(repr=False, metadata={"json": False})

    @classmethod
    def of(
        cls,
        loss: Loss,
        params: Mapping[str, Tensor],
        rank: int = 100,
        samples: int | None = 500,
        seed: int = 0,
    ) -> LowRankFisher:
        """A sketch of the gradients of single samples that holds ``2 * rank`` of them at most.

        Frequent directions (Liberty 2013): ``δᵀ F δ`` is never too large, nor too small by more
        than ``‖δ‖²`` times the trace of F over ``rank``.

        Raises:
            BadInput: ``rank`` is not positive; or as `drawn_gradients`.
        """
        if rank < 1:
            raise BadInput(f"rank is {rank}, expected at least 1", "give a positive number")
        rows: list[Tensor] = []
        shapes: dict[str, torch.Size] = {}
        count = 0
        for found in drawn_gradients(loss, params, samples, seed):
            count += 1
            shapes = {name: slope.shape for name, slope in found.items()}
            rows.append(_flat(found.values()))
            if len(rows) >= 2 * rank:
                rows = list(_shrunk(torch.stack(rows), rank))
        sizes, basis = _principal(torch.stack(rows))
        kept = int((sizes[:rank] > 1e-12 * sizes[0]).sum())
        values = sizes[:kept].square() / count
        return cls(tuple(shapes), tuple(shapes.values()), values, basis[:kept])

    @property
    def free(self) -> int:
        """All but the rank."""
        return self.width - len(self.values)

    @property
    def width(self) -> int:
        """The number of parameters."""
        return self.basis.shape[1]

    def energy(self, change: Mapping[str, Tensor]) -> Tensor:
        """``Σ λₖ ⟨vₖ, δ⟩²``."""
        along = self._along(change)
        return (self.values.to(along) * along.square()).sum()

    def project(self, vector: Mapping[str, Tensor]) -> Params:
        """Without its parts along all vₖ."""
        inside = self._along(vector) @ self.basis.to(next(iter(vector.values())))
        parts = torch.split(inside, [shape.numel() for shape in self.shapes])
        steep = dict(zip(self.names, parts, strict=True))
        return {n: t - steep[n].view_as(t) if n in steep else t for n, t in vector.items()}

    def _along(self, vector: Mapping[str, Tensor]) -> Tensor:
        """``⟨vₖ, δ⟩``."""
        like = next(iter(vector.values()))
        parts = [
            vector[n].flatten() if n in vector else like.new_zeros(shape.numel())
            for n, shape in zip(self.names, self.shapes, strict=True)
        ]
        return self.basis.to(like) @ torch.cat(parts)


def _flat(parts: Iterable[Tensor]) -> Tensor:
    return torch.cat([part.detach().flatten() for part in parts])


def _principal(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Singular values of a few long rows, and their right singular vectors."""
    turned, triangle = torch.linalg.qr(rows.T)
    left, sizes, _ = torch.linalg.svd(triangle)
    return sizes, (turned @ left).T


def _shrunk(rows: Tensor, rank: int) -> Tensor:
    """At most ``rank`` rows: every principal one is shortened by what the first dropped one has."""
    sizes, basis = _principal(rows)
    if len(sizes) <= rank:
        return sizes[:, None] * basis
    return (sizes[:rank].square() - sizes[rank].square()).sqrt()[:, None] * basis[:rank]
