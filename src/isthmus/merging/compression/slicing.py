"""sliced: a stream without its last directions (SliceGPT, Ashkboos et al. 2024)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from isthmus.algebra import Element, Symmetry
from isthmus.algebra.bases import stream_group
from isthmus.ground import BadInput, Params, ShapeMismatch
from isthmus.merging.compression.axes import turned_directions


def sliced(
    symmetry: Symmetry, params: Mapping[str, Tensor], space: str, directions: Tensor
) -> Params:
    """The model with only these directions of a stream: nothing writes the others, or reads them.

    With ``D`` the directions, every writer becomes ``D Dᵀ W`` and every reader ``W D Dᵀ``. The
    tensors keep their shapes, so that the model runs as it is; a model whose stream has as many
    coordinates as ``D`` has columns computes the same with ``Dᵀ W`` and ``W D``, where its norms
    divide by the root of the same length (`removed` counts what it saves). With all directions the
    function stays as it is.

    Args:
        symmetry: Of the model, ``gauge="folded"``.
        params: Of the model. They are taken into the gauge first: gains would undo the slices.
        space: A stream (`streams`).
        directions: ``(n, k)``, orthonormal columns, such as the first of `PrincipalAxes`. Where a
            layer norm takes the mean out, they sum to zero.

    Raises:
        UnknownName: There is no such space, or ``params`` are not of the model.
        BadInput: The space is no stream, or the directions are not orthonormal or not its.
        ShapeMismatch: ``directions`` have another shape.
    """
    group = stream_group(symmetry, space)
    basis = turned_directions(group)
    wide = _checked(directions, basis, space)
    # What the group does not turn, the mean, stays: the gauge has taken it out already.
    kept = wide @ wide.mT + torch.eye(group.size, dtype=wide.dtype) - basis.mT @ basis
    limit = Element(symmetry, {**symmetry.identity().values, space: kept})
    return symmetry.act(limit, symmetry.canonical(params))


def _checked(directions: Tensor, basis: Tensor, space: str) -> Tensor:
    """The directions in float64: orthonormal columns in the span of the basis's rows."""
    size, wide = basis.shape[1], directions.to(torch.float64)
    if wide.dim() != 2 or wide.shape[0] != size or not 0 < wide.shape[1] <= size:
        raise ShapeMismatch(
            f"the directions have shape {tuple(directions.shape)}, expected ({size}, k)",
            f"give some columns, each a direction of {space}",
        )
    outside = wide - basis.mT @ (basis @ wide)
    gap = (wide.mT @ wide - torch.eye(wide.shape[1], dtype=wide.dtype)).abs().max()
    if float(gap) > 1e-6 or float(outside.abs().max()) > 1e-6:
        raise BadInput(
            f"the directions are not orthonormal vectors that the group of {space} turns",
            "take those of principal_axes; where a layer norm takes the mean out, they sum to 0",
        )
    return wide


def removed(symmetry: Symmetry, space: str, kept: int) -> float:
    """The share of all parameters that a stream of ``kept`` coordinates saves.

    What lies in the gauge, such as the gains of norms, is not counted as saved. A stream whose mean
    layer norms take out needs one coordinate more than it has directions.

    Raises:
        UnknownName: There is no such space.
        BadInput: It is no stream, or ``kept`` is not between 1 and its size.
    """
    size = stream_group(symmetry, space).size
    if not 1 <= kept <= size:
        raise BadInput(f"{kept} of {size} coordinates are kept", f"give 1 to {size}")
    whole = sum(torch.Size(shape).numel() for shape in symmetry.shapes.values())
    gone = 0.0
    for rep in symmetry.essential.reps.values():
        for block in rep.blocks:
            here = sum(factor.space == space for factor in block.factors)
            gone += torch.Size(block.shape).numel() * (1 - (kept / size) ** here)
    return gone / whole
