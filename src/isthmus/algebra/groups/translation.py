"""Translation: shifts of coordinates on which the function does not depend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from isthmus.algebra.groups.base import FLOAT, Character, Group, Motion, along
from isthmus.algebra.groups.curves import Curve, Felt, Shift
from isthmus.algebra.groups.monomial import monomial


class AbstractShift(Group):
    """Addition, in homogeneous coordinates: values are added, ``(*batch, n)``, ``size = n + 1``."""

    size: int
    motions = frozenset({Motion.SHIFT})

    def identity(self, batch: Sequence[int] = ()) -> Tensor:
        """No shift."""
        return torch.zeros(*batch, self.size - 1, dtype=FLOAT)

    def compose(self, g: Tensor, h: Tensor) -> Tensor:
        """Shifts add up."""
        return g + h

    def inverse(self, g: Tensor) -> Tensor:
        """The opposite shift."""
        return -g

    def is_identity(self, g: Tensor, tolerance: float = 1e-12) -> bool:
        """No shift."""
        return bool((g.abs() <= tolerance).all())

    def reindex(self, g: Tensor, move: Callable[[Tensor], Tensor]) -> Tensor:
        """Permute the batch."""
        return move(g)

    def meet(self, motions: frozenset[Motion]) -> tuple[Group, Callable[[Character], Character]]:
        """Shifts or nothing."""
        if Motion.SHIFT in motions:
            return self, lambda c: c
        group = monomial(self.size, swaps=False, flips=0, scales=0)
        return group, lambda c: Character(c.dual)


@final
@dataclass(frozen=True, slots=True)
class Translation(AbstractShift):
    """R^n acting by addition, in homogeneous coordinates: ``(x, 1) → (x + a, 1)``.

    So it acts linearly on ``size = n + 1`` coordinates, like every other group. A value is ``a``,
    ``(*batch, n)``.
    """

    size: int
    log_components = 0.0

    @property
    def lie_dim(self) -> int:  # type: ignore[override]
        """n."""
        return self.size - 1

    @property
    def name(self) -> str:
        """``R(n)``."""
        return f"R({self.size - 1})"

    def sample(
        self, generator: torch.Generator, scale: float = 0.3, batch: Sequence[int] = ()
    ) -> Tensor:
        """Normal, of deviation ``scale``."""
        return scale * torch.randn(*batch, self.size - 1, generator=generator, dtype=FLOAT)

    def act(
        self, g: Tensor, x: Tensor, dim: int, character: Character, over: Sequence[int] = ()
    ) -> Tensor:
        """Add to all but the last coordinate, or multiply by the inverse transpose where dual."""
        if character.dual or over or x.dim() > 1:
            return along(self.matrix(g, character), x, dim, over)
        return torch.cat([x[:-1] + g.to(x.dtype) * x[-1:], x[-1:]])

    def exp(self, tangent: Tensor) -> Tensor:
        """A shift is its own velocity."""
        return tangent

    def generator(self, tangent: Tensor) -> Tensor:
        """The last column, above zero."""
        out = tangent.new_zeros(*tangent.shape[:-1], self.size, self.size)
        out[..., :-1, -1] = tangent
        return out

    def log(self, g: Tensor) -> Tensor:
        """A shift is its own velocity."""
        return g

    def split(self, g: Tensor) -> tuple[Tensor, Tensor]:
        """Nothing jumps."""
        return torch.zeros_like(g), g

    def curve(self, flow: Tensor, felt: Felt | None = None) -> Curve:
        """Straight."""
        lengths = torch.linalg.vector_norm(flow, dim=-1)
        most = float(lengths.max()) if lengths.numel() else 0.0
        return Curve(
            lambda t: t * flow,
            lambda character: (Shift(flow, character.dual),),
            lambda character: most,
        )

    def matrix(self, g: Tensor, character: Character) -> Tensor:
        """The shift beside the identity, above ``(0, 1)``."""
        shift = -g if character.dual else g
        eye = torch.eye(self.size, dtype=FLOAT).expand(*g.shape[:-1], self.size, self.size)
        column = torch.cat([shift, torch.ones(*g.shape[:-1], 1, dtype=FLOAT)], -1)
        rows = torch.cat([eye[..., :-1], column.unsqueeze(-1)], -1)
        return rows.mT if character.dual else rows

    def why_not(self, matrix: Tensor, tolerance: float = 1e-8) -> str | None:
        """All but the last column is that of the identity."""
        if matrix.shape != (self.size, self.size):
            return f"shape {tuple(matrix.shape)}, expected {(self.size, self.size)}"
        eye = torch.eye(self.size, dtype=matrix.dtype)
        rest = (matrix - eye).abs()
        wrong = max(float(rest[:, :-1].max()) if self.size > 1 else 0.0, float(rest[-1, -1]))
        return (
            f"more than a shift: the linear part is off by {wrong:.3g}"
            if (wrong > tolerance)
            else None
        )

    def fit(self, source: Tensor, target: Tensor) -> Tensor:
        """Least squares."""
        one = source[-1].to(FLOAT)
        gap = target[:-1].to(FLOAT) - source[:-1].to(FLOAT)
        return gap @ one / one.square().sum().clamp_min(1e-300)

    def moves(self, g: Tensor) -> str:
        """The largest shift."""
        largest = float(g.abs().max()) if g.numel() else 0.0
        return f"shifts by up to {largest:.3g}" if largest else "does nothing"
