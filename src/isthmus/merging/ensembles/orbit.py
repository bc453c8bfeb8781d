"""OrbitMembers: the same function in other coordinates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from isthmus.algebra import Symmetry
from isthmus.merging.ensembles.members import AbstractMaker, Cost, Members


@final
@dataclass(frozen=True)
class OrbitMembers(AbstractMaker):
    """Random elements of the model's group, applied to it.

    All are one function, exactly: an ensemble of them gains nothing over the model. They are where
    something else begins, as `TrainedMembers` and `CurveMembers` do.

    Args:
        symmetry: Of the architecture; restricted to what should move.
        scale: How far continuous parts go: log-scales, angles and shears are about as large.
    """

    symmetry: Symmetry
    scale: float = 0.3

    def make(self, params: Mapping[str, Tensor], count: int, seed: int) -> Members:
        """Elements of one generator, one after the other."""
        chance = torch.Generator().manual_seed(seed)
        elements = [self.symmetry.sample(chance, self.scale) for _ in range(count)]
        moved = tuple(self.symmetry.act(g, params) for g in elements)
        return Members(moved, "orbit", Cost())
