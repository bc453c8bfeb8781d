"""Fibres: all weights of a linear network with one product, which is what its minima are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import torch
from torch import Tensor

from isthmus.ground import matrices
from isthmus.topology.linear.frames import determinant_sign, frame_curve

Weights = list[Tensor]
Curve = Callable[[float], Weights]


@final
@dataclass(frozen=True, eq=False)
class Fibre:
    """All ``(W_1, …, W_L)`` with ``W_L ⋯ W_1 X = Z``, for Z of rank r.

    Let V be a basis of what Z does not forget (its right singular vectors). The *frames*
    ``G_i = W_i ⋯ W_1 X V`` have rank r, and the weights are free but for ``W_i G_{i-1} = G_i``: the
    fibre has the shape of the product of the sets of such G_i, for hidden i. Of size d_i × r, these
    are connected, but for d_i = r: there the sign of ``det G_i`` tells two parts apart (Zhao et al.
    2025, Proposition 4.1, for squares; Trager, Kohn and Bruna 2020).

    Attributes:
        inputs: X, ``(features, samples)``, float64.
        product: Z, ``(outputs, samples)``; its rows are combinations of those of X.
        rank: That of Z.
    """

    inputs: Tensor
    product: Tensor
    rank: int

    @cached_property
    def _kept(self) -> Tensor:
        """V, ``(samples, rank)``."""
        return matrices.singular(self.product)[2][: self.rank].mT

    @cached_property
    def _solved(self) -> Tensor:
        """``X⁺``, ``(samples, features)``."""
        out: Tensor = torch.linalg.pinv(self.inputs)
        return out

    @cached_property
    def forgets(self) -> bool:
        """Whether Z maps to zero some of what X tells apart."""
        return self.rank < int(torch.linalg.matrix_rank(self.inputs))

    def gap(self, weights: Sequence[Tensor]) -> float:
        """``‖W_L ⋯ W_1 X - Z‖``."""
        return float((multiplied(weights, self.inputs) - self.product).norm())

    def frames(self, weights: Sequence[Tensor]) -> Weights:
        """``G_0 = X V, …, G_L = Z V``, each ``(width, rank)``."""
        found = [self.inputs @ self._kept]
        for weight in weights[:-1]:
            found.append(weight @ found[-1])
        return [*found, self.product @ self._kept]

    def label(self, weights: Sequence[Tensor]) -> tuple[int, ...]:
        """The signs of ``det G_i`` for every hidden layer i that is as wide as the rank.

        Two points of the fibre are joined in it exactly where their labels agree.

        Raises:
            BadInput: A determinant is zero to working precision.
        """
        hidden = self.frames(weights)[1:-1]
        return tuple(determinant_sign(frame) for frame in hidden if len(frame) == self.rank)

    def settled(self, weights: Sequence[Tensor]) -> Weights:
        """The same frames, with a first weight that forgets at once all that Z forgets.

        On the straight line that leads there the product stays what it is.
        """
        kept = multiplied(weights[:1], self.inputs)
        forgotten = kept @ self._kept @ self._kept.mT - kept
        return [weights[0] + forgotten @ self._solved, *weights[1:]]

    def curve(self, start: Sequence[Tensor], end: Sequence[Tensor]) -> Curve:
        """From ``start`` to ``end`` inside the fibre; both must be settled where Z forgets.

        Frames move by `frame_curve`, weights as straight as the frames allow.

        Raises:
            Disconnected: The labels differ.
        """
        pairs = list(zip(self.frames(start), self.frames(end), strict=True))
        first, last = pairs[0][0], pairs[-1][0]

        def resting(t: float) -> Tensor:
            return last

        moving = [*(frame_curve(*pair) for pair in pairs[1:-1]), resting]
        read = self._kept.mT @ self._solved

        def at(t: float) -> Weights:
            frame, back = first, read
            found: Weights = []
            for a, b, move in zip(start, end, moving, strict=True):
                found.append(_lifted(torch.lerp(a, b, t), frame, back, move(t)))
                frame = found[-1] @ frame  # as it is, not as it should be: errors do not add up
                back = torch.linalg.pinv(frame)
            return found

        return at


def _lifted(weight: Tensor, frame: Tensor, back: Tensor, wanted: Tensor) -> Tensor:
    """The nearest weight that takes ``frame`` to ``wanted``; twice, for the last digits."""
    for _ in range(2):
        weight = weight + (wanted - weight @ frame) @ back
    return weight


def multiplied(weights: Sequence[Tensor], inputs: Tensor) -> Tensor:
    """``W_L ⋯ W_1 X``."""
    for weight in weights:
        inputs = weight @ inputs
    return inputs
