"""CcaMerge: units mixed by any invertible matrix that canonical correlation finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from isthmus.algebra import Symmetry
from isthmus.algebra.groups import AbstractMonomial, AbstractRotation, Character, GeneralLinear
from isthmus.alignment.matching.linear import Rows as Places
from isthmus.alignment.matching.linear import balance, moments_of
from isthmus.ground import BadInput, matrices
from isthmus.merging.features.common import Passage
from isthmus.merging.features.merger import AbstractFeatureMerger, Rows


@final
@dataclass(frozen=True, eq=False)
class CcaMerge(AbstractFeatureMerger):
    """The mean of the first model and the second, its units mixed by T (Horoi et al. 2024).

    Canonical correlation makes the units of both models white, ``C_aa^{-1/2} x_a`` and
    ``C_bb^{-1/2} x_b``, and turns the ones onto the others by Q, the polar factor of their
    correlation: ``T = C_aa^{1/2} Q C_bb^{-1/2}`` takes units of the second model to those of the
    first, and ``W → T_l W T_{l-1}^{-1}``. Where the symmetry allows any invertible matrix (linear
    layers, values, queries with keys) that keeps the function. Elsewhere it does not: T does not
    commute with a ReLU; `CommonUnits.alone` gives the second model as it then is. Where only
    rotations are allowed, T is the best of these. The second moments of all places where a space
    shows are pooled; the formula is reconstructed from the method's outline.

    Args:
        model: As of `AbstractFeatureMerger`; so ``batches``, ``symmetry``; ``into`` must be None.
        ridge: Added to the variance of each unit, relative to the mean variance, so that units
            that hardly change are not blown up. 0 is exact where all directions are seen.

    Raises:
        BadInput: The ridge is negative, or ``into`` is given; on a call, as
            `AbstractFeatureMerger`, or activations are singular and the ridge is 0.
    """

    ridge: float = 1e-4

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.ridge >= 0:
            raise BadInput(f"ridge is {self.ridge}, expected at least 0", "give 1e-4, say")
        if self.into is not None:
            raise BadInput("canonical correlation keeps widths", "leave `into` out")

    def _passages(self, rows: Mapping[str, list[Rows]], target: Symmetry) -> list[Passage]:
        maps: dict[str, Tensor] = {}
        for name, seen in rows.items():
            found = self._map(target, name, seen)
            if found is not None:
                maps[name] = found
        dual = {name: matrices.inverse(one).mT for name, one in maps.items()}
        ones = {name: torch.ones(one.shape[:-1], dtype=one.dtype) for name, one in maps.items()}
        still = {
            name: torch.eye(one.shape[-1]).to(one).expand_as(one) for name, one in maps.items()
        }
        return [Passage(still, still, ones), Passage(maps, dual, ones)]

    def _map(self, symmetry: Symmetry, name: str, seen: list[Rows]) -> Tensor | None:
        """T; None where the group is one of those that leave no such choice."""
        group = symmetry.essential.spaces[name].group
        places: Places = [(Character(dual), a, b) for dual, a, b in seen]
        moments = moments_of(places)
        if isinstance(group, AbstractRotation):
            return group.nearest(moments[1] + moments[4])
        if not isinstance(group, AbstractMonomial | GeneralLinear):
            return None
        plain, cross, square, dual, dual_cross, dual_square = moments
        one, two = self._white(plain, dual, name), self._white(square, dual_square, name)
        back = matrices.inverse(one)
        both = one @ cross @ two.mT + back.mT @ dual_cross @ matrices.inverse(two)
        return back @ matrices.rotation(both) @ two

    def _white(self, plain: Tensor, dual: Tensor, name: str) -> Tensor:
        """What makes activations white, or as large where they are dual."""
        given = [self._ridged(one) for one in (plain, dual) if bool(one.any())]
        for values in (matrices.symmetric(one)[0] for one in given):
            if bool((values[..., 0] <= 1e-10 * values[..., -1]).any()):
                raise BadInput(
                    f"units of {name} depend linearly on each other on these data",
                    "give more data, or a larger ridge, such as 1e-4",
                )
        if len(given) < 2:  # in one way only: white
            back = [torch.linalg.pinv(one, hermitian=True) for one in given]
            given = [*given, *back] if bool(plain.any()) else [*back, *given]
        plain, dual = given
        return balance(plain, dual)

    def _ridged(self, moment: Tensor) -> Tensor:
        mean = moment.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None]
        return moment + self.ridge * mean * torch.eye(moment.shape[-1], dtype=moment.dtype)
