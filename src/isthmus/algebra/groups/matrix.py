"""Continuous matrix groups: Orthogonal O(n) and GeneralLinear GL(n)."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from isthmus.algebra.groups import curves
from isthmus.algebra.groups.base import FLOAT, Character, Group, Motion, along
from isthmus.algebra.groups.monomial import monomial
from isthmus.ground import matrices
from isthmus.ground.errors import Disconnected


class AbstractMatrix(Group):
    """A group whose values are matrices, ``(*batch, n, n)``."""

    size: int

    @property
    def log_components(self) -> float:  # type: ignore[override]
        """Two components: the sign of the determinant."""
        return math.log(2)

    def identity(self, batch: Sequence[int] = ()) -> Tensor:
        """Identity matrices."""
        return torch.eye(self.size, dtype=FLOAT).expand(*batch, self.size, self.size).contiguous()

    def compose(self, g: Tensor, h: Tensor) -> Tensor:
        """Matrix product."""
        return g @ h

    def act(
        self,
        g: Tensor,
        x: Tensor,
        dim: int,
        character: Character,
        over: Sequence[int] = (),
    ) -> Tensor:
        """Multiply the dimension by ``g``, or by its inverse transpose where dual."""
        return along(self.matrix(g, character), x, dim, over)

    def split(self, g: Tensor) -> tuple[Tensor, Tensor]:
        """A reflection where the determinant is negative, and the rest."""
        jump = self.identity(g.shape[:-2]).clone()
        flat, out = g.reshape(-1, self.size, self.size), jump.view(-1, self.size, self.size)
        for k, negative in enumerate((matrices.orientation(flat) < 0).tolist()):
            if negative:
                out[k] = curves.reflection(flat[k])
        return jump, g @ jump

    def exp(self, tangent: Tensor) -> Tensor:
        """The exponential of the generator."""
        return matrices.exponential(self.generator(tangent))

    @abstractmethod
    def _stages(self, flow: Tensor, felt: tuple[Tensor, Tensor] | None) -> tuple[curves.Stage, ...]:
        """The exponentials whose product leads to one matrix."""

    def curve(self, flow: Tensor, felt: curves.Felt | None = None) -> curves.Curve:
        """One curve per matrix of the batch."""
        self._require_connected(flow)
        grams = None if felt is None else [_flat(gram) for gram in felt()]
        each = [
            self._stages(one, None if grams is None else (grams[0][k], grams[1][k]))
            for k, one in enumerate(_flat(flow))
        ]
        return curves.staged(each, flow.shape[:-2], self.size)

    def _require_connected(self, g: Tensor) -> None:
        if bool((matrices.orientation(g) < 0).any()):
            raise Disconnected(
                f"no path in {self} joins the identity to a matrix of negative determinant",
                "split it first: a reflection, then a curve (Element.split)",
            )

    def moves(self, g: Tensor) -> str:
        """Distance from the identity and orientation."""
        gap = float(torch.linalg.matrix_norm(g - self.identity(g.shape[:-2])).max())
        if gap == 0:
            return "does nothing"
        mirrored = int((matrices.orientation(g) < 0).sum())
        return f"is {gap:.3g} from the identity" + (f", {mirrored} mirrored" if mirrored else "")

    def reindex(self, g: Tensor, move: Callable[[Tensor], Tensor]) -> Tensor:
        """Permute the batch."""
        return move(g)

    def meet(self, motions: frozenset[Motion]) -> tuple[Group, Callable[[Character], Character]]:
        """Smaller groups: what is left of the matrices when some motions are barred."""
        held = self.motions & motions
        if Motion.SHEAR in held:
            return self, lambda c: c
        if Motion.TURN in held:
            return Orthogonal(self.size), lambda c: c
        scales, flips = int(Motion.STRETCH in held), int(Motion.FLIP in held)
        group = monomial(self.size, swaps=Motion.SWAP in held, flips=flips, scales=scales)
        return group, lambda c: Character(c.dual, (-1 if c.dual else 1,) * scales, (1,) * flips)


class AbstractRotation(AbstractMatrix):
    """A closed group of orthogonal matrices."""

    @abstractmethod
    def nearest(self, overlap: Tensor) -> Tensor:
        """The element with the largest trace against an overlap, ``(*batch, n, n)``."""

    def inverse(self, g: Tensor) -> Tensor:
        """The transpose."""
        return g.mT

    def matrix(self, g: Tensor, character: Character) -> Tensor:
        """An orthogonal matrix is its own inverse transpose."""
        return g

    def _stages(self, flow: Tensor, felt: tuple[Tensor, Tensor] | None) -> tuple[curves.Stage, ...]:
        return (curves.turning(flow),)

    def why_not(self, matrix: Tensor, tolerance: float = 1e-8) -> str | None:
        """Check the Gram matrix."""
        if matrix.shape != (self.size, self.size):
            return f"shape {tuple(matrix.shape)}, expected {(self.size, self.size)}"
        gap = float((matrix @ matrix.mT - torch.eye(self.size, dtype=matrix.dtype)).abs().max())
        return f"Q Qᵀ differs from 1 by {gap:.3g}" if gap > tolerance else None

    def fit(self, source: Tensor, target: Tensor) -> Tensor:
        """Procrustes: the nearest element to ``target sourceᵀ``."""
        return self.nearest(target.to(FLOAT) @ source.to(FLOAT).mT)


@final
@dataclass(frozen=True, slots=True)
class Orthogonal(AbstractRotation):
    """O(n): rotations and reflections, as of a residual stream between norms without gain."""

    size: int
    motions = frozenset({Motion.SWAP, Motion.FLIP, Motion.TURN})

    @property
    def lie_dim(self) -> int:  # type: ignore[override]
        """n(n-1)/2."""
        return self.size * (self.size - 1) // 2

    @property
    def name(self) -> str:
        """``O(n)``."""
        return f"O({self.size})"

    def sample(
        self, generator: torch.Generator, scale: float = 0.3, batch: Sequence[int] = ()
    ) -> Tensor:
        """Haar measure: QR of a Gaussian, signs fixed by R's diagonal (``scale`` is unused)."""
        normal = torch.randn(*batch, self.size, self.size, generator=generator, dtype=FLOAT)
        turn, upper = matrices.triangular(normal)
        return turn * torch.where(upper.diagonal(dim1=-2, dim2=-1) < 0, -1.0, 1.0).unsqueeze(-2)

    def generator(self, tangent: Tensor) -> Tensor:
        """The skew matrix with these entries below the diagonal."""
        skew = tangent.new_zeros(*tangent.shape[:-1], self.size, self.size)
        row, column = torch.tril_indices(self.size, self.size, -1)
        skew[..., row, column] = tangent
        return skew - skew.mT

    def log(self, g: Tensor) -> Tensor:
        """The entries below the diagonal of the skew logarithm."""
        self._require_connected(g)
        flat = g.reshape(-1, self.size, self.size)
        skew = torch.stack([curves.rotation_log(one) for one in flat]).reshape(g.shape)
        row, column = torch.tril_indices(self.size, self.size, -1)
        return skew[..., row, column]

    def nearest(self, overlap: Tensor) -> Tensor:
        """The rotation with the largest trace against an overlap: its polar factor."""
        return matrices.rotation(overlap)


@final
@dataclass(frozen=True, slots=True)
class GeneralLinear(AbstractMatrix):
    """GL(n): any invertible change of basis, as of an attention head's keys or a linear layer."""

    size: int
    motions = frozenset(Motion) - {Motion.SHIFT}

    @property
    def lie_dim(self) -> int:  # type: ignore[override]
        """n²."""
        return self.size * self.size

    @property
    def name(self) -> str:
        """``GL(n)``."""
        return f"GL({self.size})"

    def inverse(self, g: Tensor) -> Tensor:
        """Matrix inverse."""
        return matrices.inverse(g)

    def matrix(self, g: Tensor, character: Character) -> Tensor:
        """``g``, or its inverse transpose on a dual axis."""
        return self.inverse(g).mT if character.dual else g

    def sample(
        self, generator: torch.Generator, scale: float = 0.3, batch: Sequence[int] = ()
    ) -> Tensor:
        """Haar rotation times ``exp(scale X/√n)``: both components, condition number bounded."""
        turn = Orthogonal(self.size).sample(generator, scale, batch)
        normal = torch.randn(*batch, self.size, self.size, generator=generator, dtype=FLOAT)
        return turn @ matrices.exponential(scale * normal / math.sqrt(self.size))

    def generator(self, tangent: Tensor) -> Tensor:
        """Any matrix."""
        return tangent.reshape(*tangent.shape[:-1], self.size, self.size)

    def log(self, g: Tensor) -> Tensor:
        """The real principal logarithm.

        Raises:
            Disconnected: negative determinant, or no real logarithm (then `curve` needs two
                exponentials).
        """
        self._require_connected(g)
        logs = [curves.principal_log(one) for one in g.reshape(-1, self.size, self.size)]
        found = [one for one in logs if one is not None]
        if len(found) < len(logs):
            raise Disconnected(
                f"an element of {self} has no real logarithm: an eigenvalue is negative",
                "use `curve`, which joins it to the identity by two exponentials",
            )
        return torch.stack(found).reshape(*g.shape[:-2], self.lie_dim)

    def _stages(self, flow: Tensor, felt: tuple[Tensor, Tensor] | None) -> tuple[curves.Stage, ...]:
        return curves.linear_stages(flow, felt)

    def why_not(self, matrix: Tensor, tolerance: float = 1e-8) -> str | None:
        """Check the condition number."""
        if matrix.shape != (self.size, self.size):
            return f"shape {tuple(matrix.shape)}, expected {(self.size, self.size)}"
        values = torch.linalg.svdvals(matrix)
        small = float(values[-1] / values[0]) if float(values[0]) > 0 else 0.0
        return (
            f"singular: smallest over largest singular value {small:.3g}"
            if small <= 1e-14
            else None
        )

    def fit(self, source: Tensor, target: Tensor) -> Tensor:
        """Least squares; where that is singular, the Procrustes rotation."""
        found: Tensor = torch.linalg.lstsq(source.to(FLOAT).mT, target.to(FLOAT).mT).solution.mT
        if self.why_not(found) is None:
            return found
        return Orthogonal(self.size).fit(source, target)


def _flat(matrices: Tensor) -> Tensor:
    """A batch of matrices in one dimension."""
    return matrices.reshape(-1, *matrices.shape[-2:])
