"""Projected: any optimiser, kept to flat directions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from isthmus.landscape.tuning.flat import FlatDirections


class Projected(torch.optim.Optimizer):
    """An optimiser of which every step is projected onto flat directions.

    The step itself, as a projected gradient is not enough: an optimiser that scales each entry, or
    decays weights, leaves the directions of its gradient. The gradient is projected as well, so
    that momentum is that of the directions that are free.

    Args:
        optimiser: Of the model's parameters.
        model: Whose names the directions know.
        flat: Where steps may go; parameters that it does not know move freely.

    Example:
        >>> adam = torch.optim.Adam(model.parameters())  # doctest: +SKIP
        >>> optimiser = Projected(adam, model, flat)  # doctest: +SKIP
    """

    def __init__(
        self, optimiser: torch.optim.Optimizer, model: nn.Module, flat: FlatDirections
    ) -> None:
        super().__init__(optimiser.param_groups, optimiser.defaults)
        self.optimiser, self.flat = optimiser, flat
        self.param_groups, self.state = optimiser.param_groups, optimiser.state
        held = {id(p) for group in optimiser.param_groups for p in group["params"]}
        self._held = {n: p for n, p in model.named_parameters() if id(p) in held}

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """One step of the optimiser, as far as it is flat."""
        sloped = {n: p.grad for n, p in self._held.items() if p.grad is not None}
        for name, flat in self.flat.project(sloped).items():
            sloped[name].copy_(flat)
        before = {n: p.detach().clone() for n, p in self._held.items()}
        found = self.optimiser.step(closure)
        steps = {n: p - before[n] for n, p in self._held.items()}
        for name, flat in self.flat.project(steps).items():
            self._held[name].copy_(before[name] + flat)
        return found

    def state_dict(self) -> dict[str, Any]:
        """That of the optimiser."""
        return self.optimiser.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Give the optimiser its state back."""
        self.optimiser.load_state_dict(state_dict)
        self.param_groups, self.state = self.optimiser.param_groups, self.optimiser.state
