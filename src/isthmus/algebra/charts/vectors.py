"""Steps at vectors: gains multiplied into weights, biases that others make up for, parts apart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from isthmus.algebra.charts.step import Working, without_zeros


@dataclass(frozen=True, slots=True)
class Layout:
    """A weight as a linear map: which dimension is put out, which is taken in.

    Further dimensions (a kernel) are summed over. ``groups`` as in a grouped convolution.
    """

    weight: str
    out: int
    into: int
    groups: int = 1

    def apply(self, weight: Tensor, vector: Tensor) -> Tensor:
        """What the map makes of a vector that is the same everywhere."""
        matrix = weight.movedim((self.out, self.into), (0, 1))
        matrix = matrix.flatten(2).sum(2) if matrix.dim() > 2 else matrix
        if self.groups == 1:
            return matrix @ vector
        rows = matrix.reshape(self.groups, -1, matrix.shape[1])
        return (rows @ vector.view(self.groups, -1, 1)).flatten()


@dataclass(frozen=True, slots=True)
class Offset:
    """A number added: a gain stored as its difference from one."""

    name: str
    amount: float
    kind: ClassVar[str] = "offset"

    def forward(self, x: Working) -> None:
        """Add."""
        x[self.name] = x[self.name] + self.amount

    def back(self, x: Working) -> None:
        """Take off."""
        x[self.name] = x[self.name] - self.amount


@dataclass(frozen=True, slots=True)
class Multiple:
    """A number multiplied: a weight that is stored larger or smaller than it is used."""

    name: str
    factor: float
    kind: ClassVar[str] = "multiple"

    def forward(self, x: Working) -> None:
        """Multiply."""
        x[self.name] = x[self.name] * self.factor

    def back(self, x: Working) -> None:
        """Divide."""
        x[self.name] = x[self.name] / self.factor


@dataclass(frozen=True, slots=True)
class Gain:
    """A gain multiplied into the weights beside it, along one dimension of each."""

    gain: str
    weights: tuple[tuple[str, int], ...]
    kind: ClassVar[str] = "gain"

    def forward(self, x: Working) -> None:
        """Multiply; where the gain is zero, what it silenced is set to zero and the gain to one."""
        for name, dim in self.weights:
            x[name] = x[name] * self._along(x[self.gain], x[name], dim)
        x[self.gain] = without_zeros(self.gain, x[self.gain])

    def back(self, x: Working) -> None:
        """Divide."""
        for name, dim in self.weights:
            x[name] = x[name] / self._along(x[self.gain], x[name], dim)

    def _along(self, gain: Tensor, weight: Tensor, dim: int) -> Tensor:
        return columns(gain.flatten().expand(weight.shape[dim]), weight, dim)


@dataclass(frozen=True, slots=True)
class Hop:
    """One place on the way of a constant: what arrives there, and the weight that reads it.

    ``take[i]`` is the entry of what comes that reaches coordinate i, or -1; None: each its own.
    Without a layout it goes on as it arrives.
    """

    take: tuple[int, ...] | None = None
    layout: Layout | None = None

    def apply(self, x: Working, vector: Tensor) -> Tensor:
        """What goes on."""
        arrived = vector if self.take is None else taken(vector, self.take)
        if self.layout is None:
            return arrived
        return self.layout.apply(x[self.layout.weight], arrived)


@dataclass(frozen=True, slots=True)
class Carry:
    """A constant added at one place, made up for at another: ``target += L source``.

    ``path`` leads there; what arrives is added along the target's last dimensions, but for its
    mean along those that are ``centred``, which nothing sees. Where the coordinate ``unless`` is
    zero, the source is no constant, and nothing is carried.
    """

    source: str
    target: str
    path: tuple[Hop, ...] = ()
    factor: float = 1.0
    centred: tuple[int, ...] = ()
    unless: str | None = None
    kind: ClassVar[str] = "carry"

    def forward(self, x: Working) -> None:
        """Make up for it."""
        x[self.target] = x[self.target] + self._carried(x)

    def back(self, x: Working) -> None:
        """Undo."""
        x[self.target] = x[self.target] - self._carried(x)

    def _carried(self, x: Working) -> Tensor:
        target = x[self.target]
        if self.unless is not None and not bool(x[self.unless].any()):
            return torch.zeros_like(target)
        vector = self.factor * x[self.source].flatten()
        for hop in self.path:
            vector = hop.apply(x, vector)
        rest = list(target.shape)
        while rest and math.prod(rest) > vector.numel():
            rest.pop(0)
        carried = vector.reshape(rest).expand(target.shape)
        for dim in self.centred:
            carried = carried - carried.mean(dim, keepdim=True)
        return carried


@dataclass(frozen=True, slots=True)
class Part:
    """Some entries of a parameter as a coordinate of their own; zero is left in their place."""

    name: str
    into: str
    entries: tuple[int, ...]
    kind: ClassVar[str] = "part"

    def forward(self, x: Working) -> None:
        """Take the entries out."""
        index = torch.tensor(self.entries)
        flat = x[self.name].flatten().clone()
        x[self.into] = flat[index]
        flat[index] = 0.0
        x[self.name] = flat.reshape(x[self.name].shape)

    def back(self, x: Working) -> None:
        """Put them back."""
        index = torch.tensor(self.entries)
        flat = x[self.name].flatten().clone()
        flat[index] = x.pop(self.into)
        x[self.name] = flat.reshape(x[self.name].shape)


@dataclass(frozen=True, slots=True)
class Flat:
    """A free coordinate as one vector; a shift in homogeneous coordinates, with a one behind."""

    name: str
    shape: tuple[int, ...]
    homogeneous: bool
    kind: ClassVar[str] = "flat"

    def forward(self, x: Working) -> None:
        """Flatten."""
        flat = x[self.name].flatten()
        x[self.name] = torch.cat([flat, flat.new_ones(1)]) if self.homogeneous else flat

    def back(self, x: Working) -> None:
        """The shape it had."""
        flat = x[self.name][:-1] if self.homogeneous else x[self.name]
        x[self.name] = flat.reshape(self.shape)


def taken(vector: Tensor, take: tuple[int, ...]) -> Tensor:
    """Entries of a vector; zero where -1 is asked for."""
    flat = vector.flatten()
    return torch.cat([flat, flat.new_zeros(1)])[list(take)]


def columns(factors: Tensor, weight: Tensor, dim: int) -> Tensor:
    """Factors laid along one dimension of a weight."""
    shape = [1] * weight.dim()
    shape[dim] = factors.numel()
    return factors.reshape(shape)
