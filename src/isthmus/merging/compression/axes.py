"""PrincipalAxes: the directions of a stream by how much of it lies along them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor, nn

from isthmus.algebra import Element, Factor, Symmetry
from isthmus.algebra.bases import basis_change, stream_group
from isthmus.algebra.groups import AbstractRotation, MeanOrthogonal
from isthmus.alignment.data.covariance import input_metrics
from isthmus.alignment.data.metric import Metric
from isthmus.ground import BadInput, Result, double
from isthmus.ground.matrices import helmert, symmetric
from isthmus.landscape.running import Batch


@final
@dataclass(frozen=True)
class PrincipalAxes(Result):
    """The principal axes of a stream, as those see it that read it.

    Attributes:
        space: The stream.
        directions: ``(n, m)``, orthonormal columns by falling share; m is n, or n - 1 where a layer
            norm takes the mean out.
        shares: ``(m,)``: the part of the squared length of all that is read that lies along each.
    """

    space: str
    directions: Tensor = field(repr=False, metadata={"json": False})
    shares: Tensor = field(repr=False, metadata={"json": False})

    def __str__(self) -> str:
        most = int((self.shares.cumsum(0) < 0.9 - 1e-12).sum()) + 1
        return f"{self.space}: {most} of {len(self.shares)} directions hold 90% of what is read"

    def turn(self, symmetry: Symmetry) -> Element:
        """The element after which the coordinates are the principal axes, in their order.

        Where the mean must stay, it is the nearest there is.
        """
        group = stream_group(symmetry, self.space)
        # Axes along which nothing lies are axes too: no row of the overlap may vanish.
        weight = self.shares.clamp_min(0).sqrt() + 1e-6
        rows = weight.unsqueeze(1) * self.directions.mT
        rest = rows.new_zeros(group.size - len(rows), group.size)
        return basis_change(symmetry, {self.space: group.nearest(torch.cat([rows, rest]))})


def turned_directions(group: AbstractRotation) -> Tensor:
    """An orthonormal basis of what a stream's group turns, ``(m, n)``: all, or what sums to 0."""
    if isinstance(group, MeanOrthogonal):
        return helmert(group.size)
    return torch.eye(group.size, dtype=torch.float64)


def principal_axes(
    model: nn.Module,
    symmetry: Symmetry,
    params: Mapping[str, Tensor],
    batches: Iterable[Batch],
    space: str,
) -> PrincipalAxes:
    """The eigenvectors of the second moments of a stream, over all layers that read it.

    What each reader reads counts alike, whatever its size: ``Σ_r E[x xᵀ] / E|x|²``. That is the
    basis of SliceGPT (Ashkboos et al. 2024), but one for the whole stream; SliceGPT takes one for
    each block, which needs matrices in the skips that the architecture does not have.

    Args:
        model: The architecture; it is only run.
        symmetry: Of the model, ``gauge="folded"``.
        params: Where it is run, in the gauge (`Symmetry.canonical`).
        batches: Pairs (inputs, targets); targets are not looked at.
        space: A stream (`streams`).

    Raises:
        UnknownName: There is no such space.
        BadInput: It is no stream, there are no batches, or nothing that reads it was seen.
    """
    group = stream_group(symmetry, space)
    settled = symmetry.canonical(double(params))
    essential = symmetry.coordinates(settled)
    metrics = input_metrics(model, batches, settled, symmetry, essential)
    basis = turned_directions(group)  # the mean, which stays, is no part of it
    read = [_second(one) for one in metrics if _reads(symmetry, one, space)]
    seen = [basis @ one @ basis.mT for one in read]
    if not seen:
        raise BadInput(
            f"no layer of the model was seen to read {space}",
            "give a model whose readers are linear layers",
        )
    whole = torch.stack([one / one.trace() for one in seen]).mean(0)
    values, vectors = symmetric(whole)
    order = torch.argsort(values, descending=True)
    return PrincipalAxes(space, (basis.mT @ vectors[:, order]).contiguous(), values[order])


def _reads(symmetry: Symmetry, metric: Metric, space: str) -> bool:
    """Whether what a weight is multiplied with is a vector of the space."""
    axes = symmetry.reps[metric.weight].axes
    read = [axes[0]] if metric.first else list(axes[1:])
    factors = [factor for axis in read for factor in axis]
    alone = len(factors) == 1 and isinstance(factors[0], Factor)
    return alone and factors[0].space == space  # type: ignore[union-attr]


def _second(metric: Metric) -> Tensor:
    spread = metric.spread if metric.spread.dim() == 2 else metric.spread.diag()
    return spread + torch.outer(metric.mean, metric.mean)
