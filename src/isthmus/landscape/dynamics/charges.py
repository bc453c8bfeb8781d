"""Charges: what gradient flow conserves because the loss does not change along an orbit.

If ``exp(ε ξ)`` acts linearly by a symmetric ``ξ``, then ``Q = ⟨w, ξ w⟩`` has
``dQ/dt = -2 ⟨∇L(w), ξ w⟩ = 0`` (Noether's theorem for gradient flow: Kunin et al. 2021, Zhao et al.
2023): ``W₁W₁ᵀ - W₂ᵀW₂`` of two matrices with nothing between them, its diagonal across a ReLU.
Gradient descent with step η and weight decay λ has, without any approximation,
``Q ← (1 - ηλ)² Q + η² Q(∇L)``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from isthmus.algebra import Symmetry
from isthmus.algebra.groups import FLOAT
from isthmus.algebra.groups.base import Motion
from isthmus.ground import BadInput, Result


@final
@dataclass(frozen=True)
class Charges(Result):
    """The charges of one point, space by space.

    Attributes:
        values: ``(*batch, lie_dim)`` in float64: ``⟨w, ξ w⟩`` for each basis vector ξ of the Lie
            algebra. Of GL(n) these are the entries of ``W₁W₁ᵀ - W₂ᵀW₂``, of positive scales
            ``‖w₁‖² - ‖w₂‖²`` of each unit. Zero for a
            direction that also moves what is not trained.
        sizes: By space, the squared norm of all that it moves: what changes are measured by, as
            charges may be near zero.
    """

    values: Mapping[str, Tensor]
    sizes: Mapping[str, float] = field(metadata={"json": False})

    def apart(self, other: Charges) -> dict[str, float]:
        """By space, the largest difference between two points' charges, relative to the sizes."""
        return {
            name: float((value - other.values[name]).abs().max()) / self.sizes[name]
            for name, value in self.values.items()
        }

    def __str__(self) -> str:
        rows = [
            f"  {name}: {value.numel()} charges, largest {float(value.abs().max()):.4g}"
            f" (squared norm of what it moves: {self.sizes[name]:.4g})"
            for name, value in self.values.items()
        ]
        return "\n".join(["Charges: conserved under gradient flow", *rows])


def charges(
    symmetry: Symmetry, params: Mapping[str, Tensor], trained: Iterable[str] | None = None
) -> Charges:
    """What gradient flow from ``params`` conserves: one number for each scale or shear.

    Rotations and shifts have none under gradient flow: ``⟨w, ξ w⟩ = 0`` for every skew ξ. Nor has a
    direction that also moves what is not ``trained``, as the scales in front of a BatchNorm move
    its running mean; those behind it count.

    Args:
        symmetry: From ``discover(model, example, gauge="asis")``.
        params: A point.
        trained: The names of the parameters that follow the gradient; None means all that are
            floating-point.

    Raises:
        BadInput: The symmetry acts in other coordinates than the parameters (a folded gauge).
        UnknownName, ShapeMismatch: The params are not of this model.
    """
    symmetry.check(params)
    pairing = Pairing(symmetry, params if trained is None else trained)
    held = pairing.coordinates(params)
    return Charges(pairing.of(held), pairing.sizes(held))


@dataclass(frozen=True, eq=False)
class Pairing:
    """``⟨u, ξ v⟩`` for the directions ξ of a symmetry that move only what is ``trained``.

    Only spaces with scales or shears: a skew ξ pairs nothing with itself.
    """

    symmetry: Symmetry
    trained: Iterable[str]
    moved: dict[str, list[str]] = field(init=False, default_factory=dict)
    """By space, the trained parameters that it moves."""
    _counts: dict[str, Tensor] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        if self.symmetry.chart.steps:
            raise BadInput(
                "this symmetry acts in folded coordinates, where gradient flow is another one",
                'discover it with gauge="asis"',
            )
        trained = set(self.trained)
        for name, space in self.symmetry.spaces.items():
            if not {Motion.STRETCH, Motion.SHEAR} & space.group.motions:
                continue
            felt = dict.fromkeys(n for n, _, _ in self.symmetry.occurrences(name))
            others = [n for n in felt if n not in trained]
            ones = {n: torch.ones(self.symmetry.shapes[n], dtype=FLOAT) for n in others}
            counts = self._slope(name, ones, ones) == 0
            if bool(counts.any()) and len(others) < len(felt):
                self.moved[name] = [n for n in felt if n in trained]
                self._counts[name] = counts

    def coordinates(self, params: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Params in which the action is linear: offsets added, in float64."""
        used = {n for names in self.moved.values() for n in names}
        wide = {n: t.detach().to(FLOAT) for n, t in params.items() if n in used}
        return self.symmetry.linearised(wide)

    def of(
        self, u: Mapping[str, Tensor], v: Mapping[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        """``⟨u, ξ v⟩``, or ``⟨u, ξ u⟩``, of vectors in coordinates: ``(*batch, lie_dim)`` by space.

        Zero for a direction that also moves what is not trained.
        """
        v = u if v is None else v
        found = {}
        for name, names in self.moved.items():
            slope = self._slope(name, {n: u[n] for n in names}, {n: v[n] for n in names})
            found[name] = torch.where(self._counts[name], slope, 0.0)
        return found

    def sizes(self, vector: Mapping[str, Tensor]) -> dict[str, float]:
        """By space, the squared norm of the part of a vector that it moves."""
        return {
            name: sum(float(vector[n].square().sum()) for n in names)
            for name, names in self.moved.items()
        }

    def _slope(self, name: str, u: Mapping[str, Tensor], v: Mapping[str, Tensor]) -> Tensor:
        """The slope of ``⟨u, exp(ξ) v⟩`` at ξ = 0."""
        group = self.symmetry.spaces[name].group
        tangent = torch.zeros(*self.symmetry.batch(name), group.lie_dim, dtype=FLOAT)
        if not u:
            return tangent
        with torch.enable_grad():
            values = {name: group.exp(tangent.requires_grad_())}
            products = [(x * self.symmetry.act_on(n, values, v[n])).sum() for n, x in u.items()]
            (slope,) = torch.autograd.grad(torch.stack(products).sum(), tangent)
        return slope
