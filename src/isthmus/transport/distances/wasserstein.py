"""wasserstein: W_p between two measures, with the plan and a proof of how good it is."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from isthmus.ground.certificates import Certificate, Verdict
from isthmus.ground.errors import BadInput
from isthmus.ground.results import Result
from isthmus.transport.distances.duals import least
from isthmus.transport.distances.solvers import Entropic, Exact, Solver
from isthmus.transport.measures.measure import Measure, squared_distances

EXACT = Exact()
ROUNDING = 1e-9
"""Relative to the cost and to the mean cost of all pairs: a gap smaller than this is none."""


@dataclass(frozen=True, eq=False)
class Transport(Result):
    """A plan between two measures.

    Attributes:
        order: p.
        cost: of the plan, ``Σ P_ij d(i, j)^p``: at least ``W_p^p``.
        bound: what its duals prove: ``W_p^p`` is at least this.
        sizes: numbers of atoms.
        solver: what found it.
        plan: ``(n, m)``.
        mean: cost of a pair, over all pairs.
    """

    order: float
    cost: float
    bound: float
    sizes: tuple[int, int]
    solver: Solver
    plan: Tensor = field(metadata={"json": False})
    mean: float = 0.0

    @property
    def distance(self) -> float:
        """``cost^{1/p}``: W_p where the certificate is proved."""
        return float(max(self.cost, 0.0) ** (1 / self.order))

    @property
    def matching(self) -> Tensor:
        """For each atom of the first measure, its partner with the largest share."""
        return self.plan.argmax(1)

    @property
    def certificate(self) -> Certificate:
        """How far from optimal the plan can be."""
        gap = max(self.cost - self.bound, 0.0)
        proved = gap <= ROUNDING * (self.cost + self.mean)
        return Certificate(
            f"no plan costs less by more than {gap:.3g}, by Kantorovich duality",
            Verdict.PROVED,
            gap,
            {"cost": self.cost, "bound": self.bound, "optimal": proved},
        )

    def to_json(self) -> dict[str, Any]:
        """The fields, the distance and the certificate."""
        return {
            **super().to_json(),
            "solver": repr(self.solver),
            "distance": self.distance,
            "certificate": self.certificate.to_json(),
        }

    def __str__(self) -> str:
        n, m = self.sizes
        below = math.copysign(max(self.bound, 0.0) ** (1 / self.order), self.bound)
        return (
            f"W_{self.order:g} = {self.distance:.6g} between {n} and {m} atoms, "
            f"at least {below:.6g}"
        )


def wasserstein(
    one: Measure, other: Measure, order: float = 2.0, solver: Solver = EXACT
) -> Transport:
    """The p-Wasserstein distance of two measures, with Euclidean distances as the ground.

    Where atoms have signs (`Measure.signs`), a pair is at the distance of its best sign: between
    equally many units this is the minimum over all signed permutations.

    Args:
        one: a measure.
        other: another, in the same space.
        order: p, at least 1.
        solver: `Exact` or `Entropic`.

    Raises:
        BadInput: the order is below 1.
        ShapeMismatch: the measures are of different spaces.
        MissingExtra: the solver needs POT.
    """
    return transport(_costs(one, other, order), one.masses, other.masses, order, solver)


def transport(
    cost: Tensor, one: Tensor, other: Tensor, order: float, solver: Solver = EXACT
) -> Transport:
    """The same from costs ``d^p`` of pairs, ``(n, m)``, and masses of sum 1."""
    plan, v = solver(cost, one, other)
    total, bound = float((plan * cost).sum()), least(cost, one, other, v)
    sizes = (cost.shape[0], cost.shape[1])
    return Transport(order, total, bound, sizes, solver, plan, float(cost.mean()))


def sinkhorn_divergence(
    one: Measure, other: Measure, order: float = 2.0, solver: Entropic | None = None
) -> float:
    """The debiased cost with entropy (Feydy et al. 2019): 0 for equal measures, near ``W_p^p``.

    ``OT_ε(μ, ν) - (OT_ε(μ, μ) + OT_ε(ν, ν)) / 2``, with one ε in all three.

    Raises:
        BadInput, ShapeMismatch: as `wasserstein`.
    """
    solver = solver or Entropic()
    epsilon = solver.scale(_costs(one, other, order))

    def value(x: Measure, y: Measure) -> float:
        u, v = solver.duals(_costs(x, y, order), x.masses, y.masses, epsilon)
        return float(x.masses @ u + y.masses @ v)

    return value(one, other) - (value(one, one) + value(other, other)) / 2


def _costs(one: Measure, other: Measure, order: float) -> Tensor:
    if not (math.isfinite(order) and order >= 1):
        raise BadInput(f"the order is {order}", "give a finite number of at least 1")
    squares = squared_distances(one, other)
    return squares if order == 2 else torch.pow(squares, order / 2)
