"""Paths inside the minimum of a linear residual network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, final

import torch
from torch import Tensor

from isthmus.ground import Params
from isthmus.landscape.paths import AbstractPath
from isthmus.topology.linear.fibre import Curve, Weights

if TYPE_CHECKING:
    from isthmus.topology.residual.minimum import ResidualMinimum


@final
@dataclass(frozen=True, eq=False)
class ResidualPath(AbstractPath):
    """From a to b: every block along its curves, one after the other, and the head that they need.

    Args:
        minimum: Whose points both ends are.
        a: Params in float64.
        b: Likewise.
        curves: For each block, the curves that lead from its weights in a to those in b
            (`Block.curves`), each for an equal part of t.
    """

    minimum: ResidualMinimum
    a: Mapping[str, Tensor]
    b: Mapping[str, Tensor]
    curves: Sequence[Sequence[Curve]]
    kind = "exact-flat"

    @property
    def breaks(self) -> tuple[float, ...]:
        """Where one curve ends and the next begins, in any block."""
        at = {Fraction(k, len(part)) for part in self.curves for k in range(1, len(part))}
        return tuple(map(float, sorted(at)))

    def _at(self, t: float) -> Params:
        if t in (0.0, 1.0):
            return {name: x.clone() for name, x in (self.b if t else self.a).items()}
        weights = [_along(part, t) for part in self.curves]
        found: Params = {}
        for names, block in zip(self.minimum.blocks, weights, strict=True):
            found |= dict(zip(names, block, strict=True))
        product = self.minimum.product(weights)
        found[self.minimum.head] = torch.linalg.solve(product, self.minimum.solution, left=False)
        return {name: found[name] for name in self.a}


def _along(curves: Sequence[Curve], t: float) -> Weights:
    """The weights of one block at ``t``."""
    k = min(int(t * len(curves)), len(curves) - 1)
    return curves[k](t * len(curves) - k)
