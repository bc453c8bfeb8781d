"""Solvers: how a plan between two measures is found, and the duals that bound all plans."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from isthmus.alignment.fusion.plans import exact
from isthmus.ground.errors import BadInput
from isthmus.transport.distances.duals import potentials


class Solver(Protocol):
    """What finds a plan."""

    def __call__(self, cost: Tensor, one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """A plan ``(n, m)`` with the given masses, and duals ``(m,)`` of the columns."""
        ...


@dataclass(frozen=True)
class Exact:
    """The plan of least cost.

    Between equally many atoms of equal mass it is a permutation, found by assignment (Birkhoff;
    mathematics.md 2.1); otherwise by the network simplex of POT (extra ``transport``).
    """

    def __call__(self, cost: Tensor, one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """Raises `MissingExtra` where POT is needed and not installed."""
        mass = exact(cost, one, other)
        return mass, potentials(cost, mass)


@dataclass(frozen=True)
class Entropic:
    """The plan of least cost with entropy (Cuturi 2013), rounded to the given masses.

    Needs no extra, and its duals still bound every plan from below.

    Args:
        epsilon: weight of the entropy, over the mean cost.
        iterations: at most.
        tolerance: the last iteration is that before which the masses are missed by less, in all.

    Raises:
        BadInput: epsilon is not positive.
    """

    epsilon: float = 0.02
    iterations: int = 2000
    tolerance: float = 1e-9

    def __post_init__(self) -> None:
        if not self.epsilon > 0:
            raise BadInput(f"epsilon is {self.epsilon}", "give a number above 0, or use Exact()")

    def __call__(self, cost: Tensor, one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """The rounded plan, and the duals of the columns."""
        epsilon = self.scale(cost)
        u, v = self.duals(cost, one, other, epsilon)
        mass = ((u.unsqueeze(1) + v - cost) / epsilon).exp() * one.unsqueeze(1) * other
        return rounded(mass, one, other), v

    def scale(self, cost: Tensor) -> float:
        """The weight of the entropy for a cost."""
        return self.epsilon * max(float(cost.mean()), 1e-300)

    def duals(
        self, cost: Tensor, one: Tensor, other: Tensor, epsilon: float
    ) -> tuple[Tensor, Tensor]:
        """Duals of rows and of columns, by Sinkhorn steps in logarithms.

        Their sum over the masses is the cost with entropy relative to the product of the masses.
        """
        kernel, a, b = -cost / epsilon, one.log(), other.log()
        v = torch.zeros_like(other)
        u = -epsilon * (kernel + b).logsumexp(1)
        for _ in range(self.iterations):
            v = -epsilon * (kernel + (u / epsilon + a).unsqueeze(1)).logsumexp(0)
            again = -epsilon * (kernel + (v / epsilon + b)).logsumexp(1)
            missed = float((one * ((u - again) / epsilon).expm1().abs()).sum())
            u = again
            if missed < self.tolerance:
                break
        return u, v


def rounded(mass: Tensor, one: Tensor, other: Tensor) -> Tensor:
    """The nearest of a plan's kind with the given masses (Altschuler, Weed, Rigollet 2017)."""
    mass = mass * (one / mass.sum(1).clamp_min(1e-300)).clamp_max(1).unsqueeze(1)
    mass = mass * (other / mass.sum(0).clamp_min(1e-300)).clamp_max(1)
    rows, columns = (one - mass.sum(1)).clamp_min(0), (other - mass.sum(0)).clamp_min(0)
    return mass + torch.outer(rows, columns) / rows.sum().clamp_min(1e-300)
