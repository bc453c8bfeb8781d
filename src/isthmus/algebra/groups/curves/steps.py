"""Steps: what a curve in a group does to one dimension of a tensor, one after the other.

A step is a constant matrix, or ``exp(tX)`` with a generator X that costs next to nothing to
exponentiate: diagonal in blocks of one and two (`Spectrum`), or nilpotent (`Shift`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import final

import torch
from torch import Tensor

from isthmus.algebra.groups.base import along, spread
from isthmus.ground import matrices


class Step(ABC):
    """``exp(tX)`` on one dimension; the dimensions ``over`` index the batch, as in `Group.act`."""

    @abstractmethod
    def at(self, t: float, x: Tensor, dim: int, over: Sequence[int]) -> Tensor:
        """``exp(tX) x``."""

    @abstractmethod
    def rate(self, x: Tensor, dim: int, over: Sequence[int]) -> Tensor:
        """``X x``."""

    def jet(self, t: float, x: list[Tensor], dim: int, over: Sequence[int]) -> list[Tensor]:
        """The derivatives of ``exp(tX) x(t)`` from those of x: ``exp(tX) (X + d/dt)ᵏ x``."""
        found = []
        while x:
            found.append(self.at(t, x[0], dim, over))
            x = [self.rate(a, dim, over) + b for a, b in pairwise(x)]
        return found


@final
@dataclass(frozen=True)
class Fixed(Step):
    """A constant matrix, ``(*batch, n, n)``."""

    matrix: Tensor

    def at(self, t: float, x: Tensor, dim: int, over: Sequence[int]) -> Tensor:
        """The same at every t."""
        return along(self.matrix, x, dim, over)

    def rate(self, x: Tensor, dim: int, over: Sequence[int]) -> Tensor:
        """None."""
        return torch.zeros_like(x)

    def jet(self, t: float, x: list[Tensor], dim: int, over: Sequence[int]) -> list[Tensor]:
        """The matrix times each."""
        return [along(self.matrix, one, dim, over) for one in x]


@final
@dataclass(frozen=True)
class Spectrum(Step):
    """Blocks of one or two coordinates, each multiplied by ``exp(t (growth ± i angle))``.

    ``exp(tX)`` takes ``y[k]`` to ``exp(t growth[k]) (cos(t angle[k]) y[k] - sin(t angle[k])
    y[partner[k]])``; partners have the same growth and opposite angles. All ``(*batch, n)``;
    without ``angle`` nothing turns.
    """

    growth: Tensor
    angle: Tensor | None = None
    partner: Tensor | None = None

    def at(self, t: float, x: Tensor, dim: int, over: Sequence[int]) -> Tensor:
        """Elementwise."""
        size = torch.exp(t * self.growth)
        if self.angle is None:
            return self._scaled(size, x, dim, over)
        cos, sin = size * torch.cos(t * self.angle), size * torch.sin(t * self.angle)
        return self._mixed(cos, sin, x, dim, over)

    def rate(self, x: Tensor, dim: int, over: Sequence[int]) -> Tensor:
        """Elementwise."""
        if self.angle is None:
            return self._scaled(self.growth, x, dim, over)
        return self._mixed(self.growth, self.angle, x, dim, over)

    @property
    def dual(self) -> Spectrum:
        """The inverse transpose."""
        return Spectrum(-self.growth, self.angle, self.partner)

    @property
    def norm(self) -> float:
        """The spectral norm of X in its own frame, the largest of the batch."""
        turn = self.growth if self.angle is None else torch.hypot(self.growth, self.angle)
        return float(turn.abs().max()) if turn.numel() else 0.0

    def _scaled(self, by: Tensor, x: Tensor, dim: int, over: Sequence[int]) -> Tensor:
        return x * spread(by.to(x.dtype), [*over, dim], x.dim())

    def _mixed(
        self, own: Tensor, other: Tensor, x: Tensor, dim: int, over: Sequence[int]
    ) -> Tensor:
        assert self.partner is not None
        if over:
            partners = torch.take_along_dim(x, spread(self.partner, [*over, dim], x.dim()), dim)
        else:
            partners = x.index_select(dim, self.partner)
        other = spread(other.to(x.dtype), [*over, dim], x.dim())
        return self._scaled(own, x, dim, over).addcmul_(other, partners, value=-1)


@final
@dataclass(frozen=True)
class Shift(Step):
    """``(x, 1) → (x + t amount, 1)``, or its inverse transpose; ``amount`` is ``(*batch, n)``."""

    amount: Tensor
    dual: bool = False

    def at(self, t: float, x: Tensor, dim: int, over: Sequence[int]) -> Tensor:
        """``(1 + tX) x``: X² is 0."""
        return x + t * self.rate(x, dim, over)

    def rate(self, x: Tensor, dim: int, over: Sequence[int]) -> Tensor:
        """Only the last coordinate is read; where dual, only the last is written."""
        size = x.shape[dim] - 1
        place = [*over, dim]
        felt = spread(self.amount.to(x.dtype), place, x.dim())
        if self.dual:
            last = -(felt * x.narrow(dim, 0, size)).sum(dim, keepdim=True)
            return torch.cat([torch.zeros_like(x.narrow(dim, 0, size)), last], dim)
        rest = felt * x.narrow(dim, size, 1)
        return torch.cat([rest, torch.zeros_like(x.narrow(dim, size, 1))], dim)


@final
@dataclass(frozen=True)
class Exponential(Step):
    """Any generator, ``(*batch, n, n)``, by a matrix exponential at every t."""

    generator: Tensor

    def at(self, t: float, x: Tensor, dim: int, over: Sequence[int]) -> Tensor:
        """For a generator that has no good frame of eigenvectors."""
        return along(matrices.exponential(t * self.generator), x, dim, over)

    def rate(self, x: Tensor, dim: int, over: Sequence[int]) -> Tensor:
        """The generator times x."""
        return along(self.generator, x, dim, over)


@final
@dataclass(frozen=True)
class Inside(Step):
    """A step inside each of ``blocks`` parts of the dimension, which index its batch."""

    step: Step
    blocks: int

    def at(self, t: float, x: Tensor, dim: int, over: Sequence[int]) -> Tensor:
        """Unfold, move, fold."""
        wide, place, outer = self._unfolded(x, dim, over)
        return self.step.at(t, wide, place, outer).flatten(place - 1, place)

    def rate(self, x: Tensor, dim: int, over: Sequence[int]) -> Tensor:
        """Unfold, multiply, fold."""
        wide, place, outer = self._unfolded(x, dim, over)
        return self.step.rate(wide, place, outer).flatten(place - 1, place)

    def _unfolded(
        self, x: Tensor, dim: int, over: Sequence[int]
    ) -> tuple[Tensor, int, Sequence[int]]:
        dim = dim % x.dim()
        wide = x.reshape(*x.shape[:dim], self.blocks, -1, *x.shape[dim + 1 :])
        return wide, dim + 1, [*(k if k < dim else k + 1 for k in over), dim]
