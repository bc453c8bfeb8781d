"""Smaller rotation groups: those that keep a mean, and those of a plane."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from isthmus.algebra.groups.base import FLOAT, Character, Group, Motion
from isthmus.algebra.groups.curves import Curve, Felt, Spectrum
from isthmus.algebra.groups.matrix import AbstractRotation, Orthogonal
from isthmus.algebra.groups.monomial import monomial
from isthmus.ground import matrices
from isthmus.ground.matrices import helmert

_OPPOSITE = torch.tensor([1.0, -1.0], dtype=FLOAT)


@final
@dataclass(frozen=True, slots=True)
class MeanOrthogonal(AbstractRotation):
    """O(n|1): the rotations and reflections that keep the vector of ones.

    It is O(n-1) on the vectors that sum to zero: what a layer norm without gain and bias commutes
    with (mathematics.md 4.3).
    """

    size: int
    motions = frozenset({Motion.SWAP, Motion.TURN})

    @property
    def _inner(self) -> Orthogonal:
        return Orthogonal(self.size - 1)

    @property
    def lie_dim(self) -> int:  # type: ignore[override]
        """(n-1)(n-2)/2."""
        return self._inner.lie_dim

    @property
    def log_components(self) -> float:  # type: ignore[override]
        """Two components, as of O(n-1)."""
        return math.log(2) if self.size > 1 else 0.0

    @property
    def name(self) -> str:
        """``O(n|1)``."""
        return f"O({self.size}|1)"

    def _lift(self, turn: Tensor) -> Tensor:
        basis = helmert(self.size)
        eye = torch.eye(self.size, dtype=FLOAT)
        return eye + basis.mT @ (turn - torch.eye(self.size - 1, dtype=FLOAT)) @ basis

    def sample(
        self, generator: torch.Generator, scale: float = 0.3, batch: Sequence[int] = ()
    ) -> Tensor:
        """Haar measure (``scale`` is unused)."""
        return self._lift(self._inner.sample(generator, scale, batch))

    def generator(self, tangent: Tensor) -> Tensor:
        """As in O(n-1), on the vectors that sum to zero."""
        basis = helmert(self.size)
        return basis.mT @ self._inner.generator(tangent) @ basis

    def exp(self, tangent: Tensor) -> Tensor:
        """As in O(n-1), on the vectors that sum to zero."""
        return self._lift(self._inner.exp(tangent))

    def log(self, g: Tensor) -> Tensor:
        """As in O(n-1)."""
        self._require_connected(g)
        basis = helmert(self.size)
        return self._inner.log(basis @ g @ basis.mT)

    def why_not(self, matrix: Tensor, tolerance: float = 1e-8) -> str | None:
        """Orthogonal, and the row sums are one."""
        # Not super(): a dataclass with slots is another class than the one that is written here.
        wrong = AbstractRotation.why_not(self, matrix, tolerance)
        if wrong is not None:
            return wrong
        gap = float((matrix.sum(1) - 1).abs().max())
        return f"the vector of ones is moved by {gap:.3g}" if gap > tolerance else None

    def nearest(self, overlap: Tensor) -> Tensor:
        """The polar factor on the vectors that sum to zero."""
        basis = helmert(self.size)
        return self._lift(matrices.rotation(basis @ overlap @ basis.mT))

    def meet(self, motions: frozenset[Motion]) -> tuple[Group, Callable[[Character], Character]]:
        """Without turns, the permutations are left."""
        held = self.motions & motions
        if Motion.TURN in held:
            return self, lambda c: c
        group = monomial(self.size, swaps=Motion.SWAP in held, flips=0, scales=0)
        return group, lambda c: Character(c.dual)


@final
@dataclass(frozen=True, slots=True)
class PlaneRotation(AbstractRotation):
    """SO(2): the turns of one plane, as of a frequency of rotary position embeddings.

    With the plane's positive scale they make up the non-zero complex numbers, which are all that
    commutes with a rotation (mathematics.md 4.4).
    """

    size: int = 2
    motions = frozenset({Motion.TURN})
    lie_dim = 1

    @property
    def log_components(self) -> float:  # type: ignore[override]
        """Connected."""
        return 0.0

    @property
    def name(self) -> str:
        """``SO(2)``."""
        return "SO(2)"

    def sample(
        self, generator: torch.Generator, scale: float = 0.3, batch: Sequence[int] = ()
    ) -> Tensor:
        """A uniform angle (``scale`` is unused)."""
        turn = 2 * torch.rand((*batch, 1), generator=generator, dtype=FLOAT) - 1
        return self.exp(math.pi * turn)

    def generator(self, tangent: Tensor) -> Tensor:
        """The quarter turn, times an angle."""
        quarter = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=tangent.dtype)
        return tangent.unsqueeze(-1) * quarter

    def exp(self, tangent: Tensor) -> Tensor:
        """The turn by an angle."""
        cos, sin = torch.cos(tangent), torch.sin(tangent)
        rows = torch.cat([cos, -sin, sin, cos], -1)
        return rows.reshape(*rows.shape[:-1], 2, 2)

    def log(self, g: Tensor) -> Tensor:
        """The angle, in (-π, π]."""
        return torch.atan2(g[..., 1, 0], g[..., 0, 0]).unsqueeze(-1)

    def curve(self, flow: Tensor, felt: Felt | None = None) -> Curve:
        """The angles grow evenly."""
        angle = self.log(flow)
        partner = torch.tensor([1, 0]).expand(*angle.shape[:-1], 2)
        turn = Spectrum(torch.zeros_like(partner, dtype=FLOAT), angle * _OPPOSITE, partner)
        return Curve(lambda t: self.exp(t * angle), lambda _: (turn,), lambda _: turn.norm)

    def split(self, g: Tensor) -> tuple[Tensor, Tensor]:
        """Nothing jumps."""
        return self.identity(g.shape[:-2]), g

    def why_not(self, matrix: Tensor, tolerance: float = 1e-8) -> str | None:
        """Orthogonal, and no reflection."""
        wrong = AbstractRotation.why_not(self, matrix, tolerance)
        if wrong is not None:
            return wrong
        return "a reflection" if float(matrices.orientation(matrix)) < 0 else None

    def nearest(self, overlap: Tensor) -> Tensor:
        """In closed form."""
        cos = overlap[..., 0, 0] + overlap[..., 1, 1]
        sin = overlap[..., 1, 0] - overlap[..., 0, 1]
        return self.exp(torch.atan2(sin, cos).unsqueeze(-1))

    def meet(self, motions: frozenset[Motion]) -> tuple[Group, Callable[[Character], Character]]:
        """Turns or nothing."""
        if Motion.TURN in motions:
            return self, lambda c: c
        return monomial(2, swaps=False, flips=0, scales=0), lambda c: Character(c.dual)
