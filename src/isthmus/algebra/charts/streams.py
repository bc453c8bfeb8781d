"""Steps of a chart in streams that layer norms read: common shifts, sizes, and shears of the mean.

A layer norm does not see the mean of its features. What else reads the stream does, so the mean may
be stretched, and raised by any multiple of the other features, if those readers make up for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import torch
from torch import Tensor

from isthmus.algebra.charts.step import Working
from isthmus.ground.matrices import helmert

Places: TypeAlias = "tuple[tuple[str, int], ...]"
"""Parameters, each with the dimension along which the stream's features stand."""


@dataclass(frozen=True, slots=True)
class Shared:
    """The means of sets of entries as coordinates of their own; what is left of each sums to zero.

    ``sets[i]`` is the set of entry i; sets count from zero.
    """

    name: str
    sets: tuple[int, ...]
    into: str
    kind: ClassVar[str] = "shared"

    def forward(self, x: Working) -> None:
        """Take the means out."""
        index = torch.tensor(self.sets)
        flat = x[self.name].flatten()
        sums = flat.new_zeros(int(index.max()) + 1).index_add(0, index, flat)
        means = sums / torch.bincount(index).to(flat)
        x[self.name] = (flat - means[index]).reshape(x[self.name].shape)
        x[self.into] = means

    def back(self, x: Working) -> None:
        """Put them back."""
        means = x.pop(self.into)[torch.tensor(self.sets)]
        x[self.name] = x[self.name] + means.reshape(x[self.name].shape)


@dataclass(frozen=True, slots=True)
class Size:
    """The size of the first of some parameters, out of all of them and into those that read them.

    It is the root mean square; ``signed``: with the sign of the sum.
    """

    names: tuple[str, ...]
    readers: tuple[str, ...]
    into: str
    signed: bool = True
    kind: ClassVar[str] = "size"

    def forward(self, x: Working) -> None:
        """Divide and multiply."""
        first = x[self.names[0]]
        size = first.square().mean().sqrt()
        if self.signed:
            size = size * torch.where(first.sum() < 0, -1.0, 1.0).to(first)
        size = torch.where(size == 0, torch.ones_like(size), size)
        self._move(x, size)
        x[self.into] = size.reshape(1)

    def back(self, x: Working) -> None:
        """Undo."""
        self._move(x, 1 / x.pop(self.into))

    def _move(self, x: Working, size: Tensor) -> None:
        for name in self.names:
            x[name] = x[name] / size
        for name in self.readers:
            x[name] = x[name] * size


@dataclass(frozen=True, slots=True)
class Shear:
    """The mean of a stream without what the other features say of it, and of length one.

    ``x → x + 1 (w·x)`` with ``w·1 = 0`` leaves what a layer norm sees; so does a stretch of the
    mean. The first writer chooses: its mean row becomes orthogonal to its other rows and of length
    one, the largest entry positive. ``w``, in coordinates of `helmert`, and the length are kept.
    """

    writers: Places
    readers: Places
    shear: str
    height: str
    kind: ClassVar[str] = "shear"

    def forward(self, x: Working) -> None:
        """Choose both by the first writer, and take them out."""
        name, dim = self.writers[0]
        rows = x[name].movedim(dim, 0).flatten(1)
        others, mean = helmert(len(rows)).to(rows) @ rows, rows.mean(0)
        # Written as a least squares problem: a writer that lacks a direction says nothing of it.
        shear = -torch.linalg.pinv(others @ others.mT, hermitian=True) @ (others @ mean)
        mean = mean + shear @ others
        height = torch.linalg.vector_norm(mean)
        sign = torch.where(mean[mean.abs().argmax()] < 0, -1.0, 1.0).to(mean)
        height = torch.where(height == 0, torch.ones_like(height), height * sign)
        self._shear(x, shear)
        self._stretch(x, 1 / height)
        x[self.shear], x[self.height] = -shear, height.reshape(1)

    def back(self, x: Working) -> None:
        """Put them back."""
        height, shear = x.pop(self.height), x.pop(self.shear)
        self._stretch(x, height)
        self._shear(x, shear)

    def _stretch(self, x: Working, height: Tensor) -> None:
        for name, dim in self.writers:
            x[name] = _stretched(x[name], dim, height)
        for name, dim in self.readers:
            x[name] = _stretched(x[name], dim, 1 / height)

    def _shear(self, x: Working, shear: Tensor) -> None:
        for name, dim in self.writers:
            rows = x[name].movedim(dim, -1)
            told = rows @ (shear @ helmert(rows.shape[-1]).to(rows))
            x[name] = (rows + told.unsqueeze(-1)).movedim(-1, dim)
        for name, dim in self.readers:
            rows = x[name].movedim(dim, -1)
            told = rows.sum(-1, keepdim=True) * (shear @ helmert(rows.shape[-1]).to(rows))
            x[name] = (rows - told).movedim(-1, dim)


def _stretched(weight: Tensor, dim: int, height: Tensor) -> Tensor:
    """The mean along a dimension, stretched."""
    return weight + (height - 1) * weight.mean(dim, keepdim=True)
