"""The exact way between a network and a rescaled copy, where the straight line has a barrier.

Proposition 5.3 of Zhao et al. (2025) rescales ``(W_l, W_{l-1})`` to ``(m^-k W_l, m W_{l-1})``. Its
flat curve is ``(m^-kt W_l, m^t W_{l-1})``: an orbit path. (The segment that the proof prints in its
place is the very line whose loss is unbounded: mathematics.md, E6 and 1.10.)
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from isthmus.algebra import Element, Symmetry
from isthmus.ground import BadInput, UnknownName
from isthmus.ground.errors import closest
from isthmus.landscape.orbit_paths import OrbitPath


def rescale_path(
    symmetry: Symmetry, params: Mapping[str, Tensor], space: str, factor: float | Tensor
) -> OrbitPath:
    """Multiply what writes a space's units by ``factor ** t``, and undo it where they are read.

    In a space of several scales (before and after a BatchNorm) the first is taken. In a space that
    others index, every copy is rescaled alike.

    Args:
        symmetry: Of the model.
        params: Where the path starts.
        space: The units' space.
        factor: Positive; one number, or one for each unit (the ``D`` of Proposition 5.3 by neuron).

    Raises:
        UnknownName: There is no such space, or ``params`` are not of the symmetry's model.
        BadInput: A factor is not positive, there is not one for each unit, or the space's group
            does not hold the rescaling.
    """
    if space not in symmetry.spaces:
        near = closest(space, symmetry.spaces)
        remedy = f"did you mean {near!r}?" if near else f"use one of {', '.join(symmetry.spaces)}"
        raise UnknownName(f"the symmetry has no space {space!r}", remedy)
    group = symmetry.spaces[space].group
    factors = torch.as_tensor(factor, dtype=torch.float64)
    if factors.shape not in ((), (group.size,)) or not bool((factors > 0).all()):
        raise BadInput(
            f"factor is {factor}, expected one positive number, or {group.size} of them",
            "give how many times larger the units become",
        )
    matrix = torch.diag(factors.expand(group.size))
    why_not = group.why_not(matrix)
    if why_not is not None:
        raise BadInput(
            f"units of {space!r} cannot be rescaled in {group}: {why_not}",
            "choose a space behind a positively homogeneous activation, such as relu",
        )
    tangent = group.log(group.fit(torch.eye(group.size, dtype=torch.float64), matrix))
    batch = symmetry.batch(space)
    value = group.exp(tangent.expand(*batch, *tangent.shape))
    values = {**symmetry.identity().values, space: value}
    return OrbitPath(symmetry, Element(symmetry, values), params)
