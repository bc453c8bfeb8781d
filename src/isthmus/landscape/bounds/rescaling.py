"""Rescaled pairs: the loss on the line between a network and its rescaled self, in closed form.

Propositions 5.3 to 5.6 of Zhao et al. (2025), for ``L(W) = ‖Y - W₂ σ(W₁ F)‖²`` (Frobenius; F what
comes before, biases with W₁) and σ positively homogeneous of degree k: ReLU, leaky ReLU and the
identity of degree 1, ReLUᵖ of degree p. The pair is ``(W₁, W₂)`` and ``(m W₁, m⁻ᵏ W₂)``: the same
function. Corrected and made exact in mathematics.md 1.10-1.13.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from isthmus.ground import BadInput, Result

_MOST_UNITS = 8
"""Permutations are tried one by one: 40,320 of eight units."""


@final
@dataclass(frozen=True)
class Rescaling(Result):
    """A layer multiplied by ``factor``, the next by ``factor ** -degree``.

    Args:
        factor: m, positive.
        degree: k, positive: the activation's degree of homogeneity.

    Raises:
        BadInput: One of them is not positive.
    """

    factor: float
    degree: float = 1.0

    def __post_init__(self) -> None:
        for name in ("factor", "degree"):
            value = getattr(self, name)
            if not 0 < value < math.inf:
                raise BadInput(f"{name} is {value}, expected a positive number", "give one")

    def growth(self, t: float) -> float:
        """What the outputs are multiplied with at ``t`` of the line; at least 1 in [0, 1].

        ``(1 - t + t m⁻ᵏ) (1 - t + t m)ᵏ``, 1 at both ends (weighted means, Proposition 5.3).
        """
        back = 1 - t + t * math.pow(self.factor, -self.degree)
        return back * math.pow(1 - t + t * self.factor, self.degree)

    @property
    def worst(self) -> float:
        """The t at which the outputs are largest: 1/2 for degree 1."""
        if self.factor == 1:
            return 0.5
        back, there = math.pow(self.factor, -self.degree) - 1, self.factor - 1
        return -(back + self.degree * there) / (back * there * (1 + self.degree))

    def loss(self, outputs: Tensor, targets: Tensor, t: float) -> float:
        """``‖targets - growth(t) outputs‖²`` on the line, the outputs those of both ends."""
        return float((targets.double() - self.growth(t) * outputs.double()).square().sum())

    def barrier(self, outputs: Tensor, targets: Tensor) -> float:
        """The height of the line's loss above its ends, which are equal.

        Exact: the loss is convex in the growth, so it is largest where that is. Where the outputs
        are the targets it is ``(growth - 1)² ‖targets‖²``; it grows without bound with m.
        """
        ends = self.loss(outputs, targets, 0.0)
        return max(0.0, self.loss(outputs, targets, self.worst) - ends)


def largest_rescaled_barrier(
    first: Tensor, second: Tensor, targets: Tensor, most: float, degree: float = 1.0
) -> float:
    """The largest barrier between a minimum of zero loss and its rescalings of bounded norm.

    Proposition 5.6: with ``‖m W₁‖ ≤ most`` and ``‖m⁻ᵏ W₂‖ ≤ most``, m lies in an interval, and the
    barrier rises towards both of its ends.

    Args:
        first: W₁.
        second: W₂.
        targets: Y, which are the outputs.
        most: The bound of both norms (Frobenius); at least those of W₁ and W₂.
        degree: k.

    Raises:
        BadInput: A norm is above ``most`` already, or a layer is zero.
    """
    sizes = [float(x.double().norm()) for x in (first, second)]
    if not 0 < min(sizes) <= max(sizes) <= most:
        raise BadInput(
            f"the layers have norms {sizes[0]:.4g} and {sizes[1]:.4g}, expected more than 0 and at "
            f"most {most:.4g}",
            "give a larger bound, and layers that are not zero",
        )
    ends = ((sizes[1] / most) ** (1 / degree), most / sizes[0])
    return max(Rescaling(m, degree).barrier(targets, targets) for m in ends)


def least_permuted_midpoint(
    second: Tensor,
    before: Tensor,
    targets: Tensor,
    rescaling: Rescaling,
    activation: Callable[[Tensor], Tensor] = torch.relu,
) -> float:
    """The smallest loss at the middle of the line, over all permutations of the rescaled copy.

    Proposition 5.4: even so it grows like ``m²ᵏ``, where ``W₂ P σ(Z)`` is never zero. Found by
    trying all permutations.

    Args:
        second: W₂, ``(outputs, units)``.
        before: Z = W₁ F, ``(units, samples)``.
        targets: Y, ``(outputs, samples)``.
        rescaling: m and k.
        activation: σ.

    Raises:
        BadInput: There are more than eight units.
    """
    units = second.shape[1]
    if units > _MOST_UNITS:
        raise BadInput(
            f"{units} units, expected at most {_MOST_UNITS}",
            "align with WeightMatching, whose midpoint is an upper bound",
        )
    m, k = rescaling.factor, rescaling.degree
    best = math.inf
    for order in itertools.permutations(range(units)):
        pre = (before + m * before[list(order)]) / 2
        reader = (second + m**-k * second[:, list(order)]) / 2
        best = min(best, float((targets - reader @ activation(pre)).square().sum()))
    return best


def distance_to_fibre(first: Tensor, second: Tensor, stretch: float) -> float:
    """A lower bound of how far the middle of a line is from all factorisations of a product.

    Proposition 5.5, explicit: the middle of ``(W₁/β, β W₂)`` and ``(β W₁, W₂/β)`` is
    ``(c W₁, c W₂)`` with ``c = (β + 1/β) / 2``; its distance from ``{(V₁, V₂): V₂ V₁ =
    W₂ W₁}``, the larger of those of both parts, is at least this: about c ‖W₂ W₁‖ / (‖W₁‖ + ‖W₂‖).

    Args:
        first: W₁.
        second: W₂.
        stretch: β, positive.
    """
    c = (stretch + 1 / stretch) / 2
    size = float(first.double().norm() + second.double().norm())
    product = float((second.double() @ first.double()).norm())
    room = c * c * size * size + 4 * (c * c - 1) * product
    # (√(p² + q) - p) / 2 without cancellation.
    return 2 * (c * c - 1) * product / (math.sqrt(room) + c * size) if c > 1 else 0.0
