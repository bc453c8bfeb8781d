"""Lattice: shifts by whole steps of coordinates that count them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from isthmus.algebra.groups.base import FLOAT, Character
from isthmus.algebra.groups.curves import Curve, Felt
from isthmus.algebra.groups.translation import AbstractShift, Translation
from isthmus.ground.errors import Disconnected

_FAR = 3
"""Samples are of at most so many steps."""


@final
@dataclass(frozen=True, slots=True)
class Lattice(AbstractShift):
    """Z^n acting by addition, in homogeneous coordinates: ``(k, 1) → (k + m, 1)``.

    It is the group of whole shifts in `Translation`; no two of its elements are joined. A value is
    ``m``, ``(*batch, n)``, of whole numbers in float64.
    """

    size: int
    lie_dim = 0

    @property
    def log_components(self) -> float:  # type: ignore[override]
        """Infinite, but for n = 0."""
        return math.inf if self.size > 1 else 0.0

    @property
    def name(self) -> str:
        """``Z(n)``."""
        return f"Z({self.size - 1})"

    @property
    def _around(self) -> Translation:
        return Translation(self.size)

    def sample(
        self, generator: torch.Generator, scale: float = 0.3, batch: Sequence[int] = ()
    ) -> Tensor:
        """Up to three steps either way, all equally likely: nothing here is continuous."""
        shape = (*batch, self.size - 1)
        return torch.randint(-_FAR, _FAR + 1, shape, generator=generator).to(FLOAT)

    def act(
        self, g: Tensor, x: Tensor, dim: int, character: Character, over: Sequence[int] = ()
    ) -> Tensor:
        """Add to all but the last coordinate, or multiply by the inverse transpose where dual."""
        return self._around.act(g, x, dim, character, over)

    def exp(self, tangent: Tensor) -> Tensor:
        """There are no velocities."""
        return self.identity(tangent.shape[:-1])

    def generator(self, tangent: Tensor) -> Tensor:
        """There are no velocities."""
        return tangent.new_zeros(*tangent.shape[:-1], self.size, self.size)

    def log(self, g: Tensor) -> Tensor:
        """Of the identity alone.

        Raises:
            Disconnected: there is a step.
        """
        self._check_joined(g)
        return g[..., :0]

    def split(self, g: Tensor) -> tuple[Tensor, Tensor]:
        """Everything jumps."""
        return g, torch.zeros_like(g)

    def curve(self, flow: Tensor, felt: Felt | None = None) -> Curve:
        """Stays at the identity.

        Raises:
            Disconnected: there is a step.
        """
        self._check_joined(flow)
        return Curve.resting(flow)

    def _check_joined(self, g: Tensor) -> None:
        if bool((g != 0).any()):
            raise Disconnected(
                f"no path in {self} joins the identity to an element that {self.moves(g)}",
                "split it first: a jump, then a curve (Element.split)",
            )

    def matrix(self, g: Tensor, character: Character) -> Tensor:
        """The shift beside the identity, above ``(0, 1)``."""
        return self._around.matrix(g, character)

    def why_not(self, matrix: Tensor, tolerance: float = 1e-8) -> str | None:
        """A shift, and by whole numbers."""
        found = self._around.why_not(matrix, tolerance)
        if found is not None or self.size == 1:
            return found
        steps = matrix[:-1, -1]
        part = float((steps - steps.round()).abs().max())
        return f"not whole steps: off by {part:.3g}" if part > tolerance else None

    def fit(self, source: Tensor, target: Tensor) -> Tensor:
        """Least squares: the whole number nearest to the best shift."""
        return self._around.fit(source, target).round()

    def moves(self, g: Tensor) -> str:
        """The most steps."""
        most = int(g.abs().max()) if g.numel() else 0
        return f"makes up to {most} step{'s' * (most > 1)}" if most else "does nothing"
