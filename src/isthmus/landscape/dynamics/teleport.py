"""Teleportation: move along the orbit, where the loss is the same, to where training goes better.

Zhao et al. (2022): from a point of the orbit with a larger gradient, descent falls faster; Zhao et
al. (2024): from a flatter one, what is found generalises better. Along ``exp(εξ)·w`` both have a
slope in closed form, since ``L(g·w) = L(w)`` makes ``∇L`` a dual vector and the Hessian a form:
``d/dε ½ ‖∇L‖² = -⟨∇L, ξ ∇L⟩`` and ``d/dε tr H = -2 E ⟨H z, ξ z⟩`` over random signs z.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, final

import torch
from torch import Tensor

from isthmus.algebra import Symmetry
from isthmus.algebra.elements import Element
from isthmus.ground import BadInput, Params, Result
from isthmus.landscape.dynamics.charges import Pairing
from isthmus.landscape.dynamics.slopes import gradient, hessian_times
from isthmus.landscape.loss import Loss

Tangent: TypeAlias = "dict[str, Tensor]"
"""A direction of the group: by space, ``(*batch, lie_dim)``."""


class Objective(Protocol):
    """What a point of the orbit is judged by: the less, the better."""

    def __call__(
        self, loss: Loss, params: Mapping[str, Tensor], pairing: Pairing, step: int
    ) -> tuple[float, Tangent]:
        """The figure at ``params``, and its slope by the directions of the group.

        ``step`` counts the calls: what is estimated takes another sample in each.
        """
        ...


@dataclass(frozen=True)
class Steepest:
    """The largest gradient: the figure is ``-ln ‖∇L‖``."""

    def __call__(
        self, loss: Loss, params: Mapping[str, Tensor], pairing: Pairing, step: int
    ) -> tuple[float, Tangent]:
        """One pass over the data."""
        found = {n: t.double() for n, t in gradient(loss, params, pairing.trained).items()}
        square = float(sum(t.square().sum() for t in found.values()))
        if not square:
            raise BadInput("the gradient is zero here, and so on the whole orbit", "train on first")
        slope = {n: part / square for n, part in pairing.of(found).items()}
        return -0.5 * math.log(square), slope


@dataclass(frozen=True)
class Flattest:
    """The least trace of the Hessian, estimated by Hutchinson's method.

    Args:
        probes: How many random vectors of signs, other ones in each step: a descent would fit
            those that stay.
        seed: Fixes them.
    """

    probes: int = 4
    seed: int = 0

    def __call__(
        self, loss: Loss, params: Mapping[str, Tensor], pairing: Pairing, step: int
    ) -> tuple[float, Tangent]:
        """Two passes over the data for each probe."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        trace = 0.0
        slope: Tangent = {}
        for _ in range(self.probes):
            z = {n: _signs(params[n], generator) for n in pairing.trained}
            bent = {n: t.double() for n, t in hessian_times(loss, params, z).items()}
            z = {n: t.double() for n, t in z.items()}
            trace += float(sum((bent[n] * z[n]).sum() for n in z)) / self.probes
            for name, part in pairing.of(bent, z).items():
                slope[name] = slope.get(name, torch.zeros_like(part)) - 2 * part / self.probes
        return trace, slope


@final
@dataclass(frozen=True)
class Teleport(Result):
    """Where a move along the orbit led.

    Attributes:
        params: The last point.
        element: What leads there: ``symmetry.act(element, start)``.
        figures: What the objective said, step after step, the start's first.
        loss: Of the start.
        moved: Of ``params``: the same but for rounding.
    """

    params: Params = field(repr=False, metadata={"json": False})
    element: Element = field(repr=False, metadata={"json": False})
    figures: tuple[float, ...]
    loss: float
    moved: float

    def __str__(self) -> str:
        return (
            f"objective {self.figures[0]:.4g} -> {self.figures[-1]:.4g} "
            f"in {len(self.figures) - 1} steps along the orbit; "
            f"loss {self.loss:.6g} -> {self.moved:.6g}"
        )


def teleport(
    params: Mapping[str, Tensor],
    loss: Loss,
    symmetry: Symmetry,
    objective: Objective = Steepest(),
    steps: int = 10,
    rate: float = 0.1,
    progress: Callable[[int, int], None] | None = None,
) -> Teleport:
    """Move ``params`` along their orbit, by scales and shears, to where the objective is less.

    Adam's steps on the group, each at most about ``rate`` in every log-scale or entry of a shear:
    so ``steps * rate`` bounds how far that goes, which nothing else may (a gradient can be made as
    large as one likes). Directions that move what is not trained (statistics) stay; and rotations,
    which change neither objective.

    Args:
        params: The start.
        loss: Data and criterion of the objective; its model says what is trained.
        symmetry: From ``discover(model, example, gauge="asis")``.
        objective: `Steepest`, `Flattest` or another.
        steps: On the group.
        rate: Of a step.
        progress: Called with (steps done, steps).

    Raises:
        BadInput: The gauge is folded, nothing can move, or ``steps`` is not positive.
        NotFinite: The loss is not finite.
    """
    symmetry.check(params)
    if steps < 1:
        raise BadInput(f"steps is {steps}, expected at least 1", "give a positive number of steps")
    pairing = Pairing(symmetry, [n for n, _ in loss.model.named_parameters() if n in params])
    if not pairing.moved:
        raise BadInput(
            "this model has no scales or shears among what is trained",
            "teleport needs a rectifier, attention, or layers with nothing between them",
        )
    walk, moved = _Walk(symmetry, pairing, rate), dict(params)
    figures = []
    for step in range(steps):
        figure, slope = objective(loss, moved, pairing, step)
        figures.append(figure)
        walk.go(slope)
        moved = symmetry.act(walk.element, params)
        if progress is not None:
            progress(step + 1, steps)
    figures.append(objective(loss, moved, pairing, steps)[0])
    return Teleport(moved, walk.element, tuple(figures), loss(params), loss(moved))


class _Walk:
    """An element that takes steps on the group."""

    def __init__(self, symmetry: Symmetry, pairing: Pairing, rate: float) -> None:
        self.symmetry, self.element = symmetry, symmetry.identity()
        self._tangents = {
            name: torch.zeros(*symmetry.batch(name), symmetry.spaces[name].group.lie_dim).double()
            for name in pairing.moved
        }
        self._adam = torch.optim.Adam(self._tangents.values(), lr=rate)

    def go(self, slope: Mapping[str, Tensor]) -> None:
        """One step against the slope."""
        for name, tangent in self._tangents.items():
            tangent.zero_()
            tangent.grad = slope[name]
        self._adam.step()
        values = {n: self.symmetry.spaces[n].group.exp(t) for n, t in self._tangents.items()}
        step = Element(self.symmetry, {**self.symmetry.identity().values, **values})
        self.element = step @ self.element


def _signs(like: Tensor, generator: torch.Generator) -> Tensor:
    """Random signs."""
    return (torch.randint(0, 2, like.shape, generator=generator) * 2 - 1).to(like)
