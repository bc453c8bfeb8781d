"""Which half of the units stays when the rest is dropped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, final

import scipy.optimize
import torch
from torch import Tensor

from isthmus.ground import BadInput, Params
from isthmus.landscape.constructive.layers import Layers


@final
@dataclass(frozen=True, slots=True)
class Kept:
    """The units of a space that stay, and how many times what reads them is multiplied."""

    units: tuple[int, ...]
    scale: float


Value: TypeAlias = "Callable[[Params], float]"
"""Coordinates to their loss."""

Chooser: TypeAlias = "Callable[[Layers, Params, Value], dict[str, Kept]]"
"""Chooses at most half of the units of each space of a network, from its coordinates and loss."""


@final
@dataclass(frozen=True)
class StrongestHalf:
    """Keep the units of largest importance.

    Args:
        importance: By space, a number for each unit; None takes the norm of what writes a unit
            times the norm of what reads it.
        scale: What reads them is multiplied by this; None takes units over units kept, as dropout.
    """

    importance: Mapping[str, Tensor] | None = None
    scale: float | None = None

    def __call__(self, layers: Layers, here: Params, value: Value) -> dict[str, Kept]:
        """The half of each space.

        Raises:
            BadInput: There is not a number for each unit of each space.
        """
        return {space: self.of(layers, here, space) for space in layers.units}

    def of(self, layers: Layers, here: Params, space: str) -> Kept:
        """The half of one space. Raises as a call."""
        units = layers.units[space]
        if self.importance is None:
            scores = units.norms(here, units.rows) * units.norms(here, units.columns)
        else:
            scores = torch.as_tensor(self.importance.get(space, ()), dtype=torch.float64)
        if scores.shape != (units.size,):
            raise BadInput(
                f"the importance of {space!r} has shape {tuple(scores.shape)}, expected "
                f"({units.size},)",
                f"give one number for each unit of {', '.join(layers.units)}",
            )
        best = scores.argsort(descending=True, stable=True)[: units.size // 2].sort().values
        scale = units.size / max(len(best), 1) if self.scale is None else self.scale
        return Kept(tuple(best.tolist()), scale)


@final
@dataclass(frozen=True)
class BestHalf:
    """Keep the half of least loss, of the strongest and some random ones, with its best scale.

    Spaces are chosen from the last to the first, each with the later ones dropped already.

    Args:
        tries: How many random halves of each space.
        seed: Of the random halves.
    """

    tries: int = 8
    seed: int = 0

    def __call__(self, layers: Layers, here: Params, value: Value) -> dict[str, Kept]:
        """The half of each space."""
        generator = torch.Generator().manual_seed(self.seed)
        chosen: dict[str, Kept] = {}
        for space in reversed(list(layers.units)):
            best = self._of(layers, here, space, value, generator)
            chosen[space] = best
            here = layers.without(here, space, best.units, best.scale)
        return chosen

    def _of(
        self, layers: Layers, here: Params, space: str, value: Value, generator: torch.Generator
    ) -> Kept:
        """The half of one space, all others as they are."""
        size = layers.units[space].size
        halves = [StrongestHalf().of(layers, here, space).units]
        for _ in range(self.tries):
            drawn = torch.randperm(size, generator=generator)[: size // 2].sort().values
            halves.append(tuple(drawn.tolist()))

        def loss(half: tuple[int, ...], scale: float) -> float:
            return value(layers.without(here, space, half, scale))

        usual = size / max(size // 2, 1)
        least, best = min((loss(half, usual), half) for half in halves)
        found = scipy.optimize.minimize_scalar(
            lambda scale: loss(best, scale),
            bounds=(0.5, 1.5 * usual),
            method="bounded",
            options={"maxiter": 8},
        )
        return Kept(best, float(found.x) if found.fun < least else usual)
