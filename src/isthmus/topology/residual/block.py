"""One residual block ``M = W_k ⋯ W_1 + ε I`` of square weights: where it can be inverted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from isthmus.ground import matrices
from isthmus.topology.linear.fibre import Curve, Fibre, Weights, multiplied
from isthmus.topology.linear.frames import determinant_sign, frame_curve


@final
@dataclass(frozen=True)
class Block:
    """All ``(W_1, …, W_k)``, each n × n, for which ``M = W_k ⋯ W_1 + ε I`` can be inverted.

    M has one of two signs of its determinant. Where all weights but the last can be inverted, M may
    move at will among the matrices of its sign while the last weight follows: so every point is
    joined to one with a chosen `goal`, and two points with that M are joined as the weights of a
    linear network are whose product is ``M - ε I`` (`Fibre`). The goal is chosen so that this
    product has the lowest rank that the sign allows: 0 for the sign of ``ε I``; else 1; and n
    without a skip. Only where that rank is n do signs of determinants tell components apart. That
    makes 1 + 2^(k-1) for n = 1 (Zhao et al. 2025, Proposition 4.3, for k = 2), 2 for n ≥ 2, and 2^k
    without a skip.

    Attributes:
        size: n.
        factors: k.
        skip: ε.
    """

    size: int
    factors: int
    skip: float

    def goal(self, sign: int) -> tuple[Tensor, int]:
        """The M of that sign of the determinant to which all lead, and the rank of ``M - ε I``."""
        scale = self.skip or 1.0
        goal = scale * torch.eye(self.size, dtype=torch.float64)
        turned = matrices.orientation(goal) != sign
        if turned:
            goal[0, 0] *= -1
        return goal, (int(turned) if self.skip else self.size)

    @property
    def log_components(self) -> float:
        """ln of the number of components: over both signs, one or 2^(k-1)."""
        told = (self.goal(sign)[1] == self.size for sign in (1, -1))
        return math.log(sum(2 ** (self.factors - 1) if tells else 1 for tells in told))

    def matrix(self, weights: Sequence[Tensor]) -> Tensor:
        """M."""
        eye = torch.eye(self.size, dtype=torch.float64)
        return multiplied(weights, eye) + self.skip * eye

    def label(self, weights: Sequence[Tensor]) -> tuple[int, ...]:
        """The sign of ``det M``; where more is told apart, those of ``det(W_i ⋯ W_1)``, i < k.

        Raises:
            BadInput: One of them is zero to working precision.
        """
        sign = determinant_sign(self.matrix(weights))
        if self.goal(sign)[1] < self.size:
            return (sign,)
        products = [torch.eye(self.size, dtype=torch.float64)]
        for weight in weights[:-1]:
            products.append(weight @ products[-1])
        return (sign, *map(determinant_sign, products[1:]))

    def curves(self, start: Sequence[Tensor], end: Sequence[Tensor]) -> list[Curve]:
        """From ``start`` to ``end``, one after the other; M can be inverted all along.

        Both ends are brought to the goal; there the way is that of a linear network.

        Raises:
            Disconnected: The labels differ.
        """
        goal, rank = self.goal(determinant_sign(self.matrix(start)))
        eye = torch.eye(self.size, dtype=torch.float64)
        fibre = Fibre(eye, goal - self.skip * eye, rank)
        out, a = self._towards(start, goal, fibre)
        back, b = self._towards(end, goal, fibre)
        return [*out, fibre.curve(a, b), *map(_reversed, back[::-1])]

    def _towards(
        self, start: Sequence[Tensor], goal: Tensor, fibre: Fibre
    ) -> tuple[list[Curve], Weights]:
        """Curves from a point to one at the goal, which is settled; and that point."""
        firm = self._firmed(start)
        moved = self._led(firm, goal)
        there = moved(1.0)
        curves = [moved] if firm is start else [_straight(start, firm), moved]
        if not fibre.forgets:
            return curves, there
        settled = fibre.settled(there)
        return [*curves, _straight(there, settled)], settled

    def _led(self, weights: Sequence[Tensor], goal: Tensor) -> Curve:
        """M moves to the goal, the last weight makes it so, and the others rest."""
        first = list(weights[:-1])
        eye = torch.eye(self.size, dtype=torch.float64)
        lead = frame_curve(self.matrix(weights), goal)
        back = matrices.inverse(multiplied(first, eye))
        return lambda t: [*first, (lead(t) - self.skip * eye) @ back]

    def _firmed(self, weights: Sequence[Tensor]) -> Sequence[Tensor]:
        """All weights but the last with singular values no less than some floor.

        It is so low that M stays invertible on the line there: ``Π (|W_j| + floor) - Π |W_j|``
        bounds how far M moves.
        """
        norms = [float(matrices.singular_values(weight)[0]) for weight in weights]
        room = float(matrices.singular_values(self.matrix(weights))[-1]) / 2
        floor = min(1.0, max(norms[:-1], default=1.0) or 1.0)
        while math.prod(x + floor for x in norms) - math.prod(norms) > room:
            floor /= 2
        raised = [_raised(weight, floor) for weight in weights[:-1]]
        if all(new is old for new, old in zip(raised, weights, strict=False)):
            return weights
        return [*raised, weights[-1]]


def _raised(weight: Tensor, floor: float) -> Tensor:
    left, values, right = matrices.singular(weight)
    if float(values[-1]) >= floor:
        return weight
    return left * values.clamp_min(floor) @ right


def _straight(start: Sequence[Tensor], end: Sequence[Tensor]) -> Curve:
    pairs = list(zip(start, end, strict=True))
    return lambda t: [torch.lerp(a, b, t) for a, b in pairs]


def _reversed(curve: Curve) -> Curve:
    return lambda t: curve(1 - t)
