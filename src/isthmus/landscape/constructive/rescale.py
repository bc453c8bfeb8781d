"""The exact curve between a network and its rescaled self (Zhao et al. 2025, Proposition 5.3)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from isthmus.algebra import Element, Symmetry
from isthmus.algebra.groups import AbstractMonomial, Moves
from isthmus.ground import BadInput
from isthmus.landscape.orbit_paths import OrbitPath


def rescale_path(
    symmetry: Symmetry, params: Mapping[str, Tensor], space: str, factors: float | Tensor
) -> OrbitPath:
    """``t ↦ (mᵗ W₁, m⁻ᵏᵗ W₂)``: flat, where the line between its ends can be as high as you like.

    Args:
        symmetry: The group and its action; it knows k, and all that a unit's scale moves.
        params: The point that moves.
        space: A space with positive scales.
        factors: m, positive: one number, or one for each unit.

    Raises:
        BadInput: The space has no scales, or a factor is not positive.
    """
    group = symmetry.spaces[space].group if space in symmetry.spaces else None
    if not isinstance(group, AbstractMonomial) or not group.scales or symmetry.spaces[space].over:
        raise BadInput(
            f"{symmetry.spaces.get(space, space)} has no positive scales of its own",
            "name a space of which the activation is positively homogeneous, as of ReLU",
        )
    wide = torch.as_tensor(factors, dtype=torch.float64).expand(group.size)
    if not bool((wide > 0).all() and wide.isfinite().all()):
        raise BadInput(f"the factors are {factors}", "give positive numbers")
    one = group.identity()
    logs = one.logs.clone()
    logs[0] = wide.log()
    values = {**symmetry.identity().values, space: Moves(one.perm, one.signs, logs)}
    return OrbitPath(symmetry, Element(symmetry, values), params)
