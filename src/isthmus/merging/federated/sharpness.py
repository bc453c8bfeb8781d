"""SharpnessAware: steps by the gradient at the worst point near by."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from isthmus.ground import BadInput


@final
@dataclass(frozen=True, eq=False)
class SharpnessAware:
    """Any optimiser, with the gradient at ``w + ρ g/‖g‖`` for its step at ``w`` (SAM).

    g is the gradient at w, of all parameters together: to first order the point within ρ where the
    loss is largest (Foret et al. 2021; part of FedGuCci+, Li et al. 2024). ::

        steps = SharpnessAware(torch.optim.SGD(model.parameters(), lr=0.1), rho=0.05)

        def closure() -> Tensor:
            steps.optimiser.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            return loss

        steps.step(closure)

    Both passes see the same random numbers of torch, as for dropout. A BatchNorm in training
    gathers statistics in both.

    Args:
        optimiser: What steps, with whatever it keeps.
        rho: ρ, the radius; 0 steps as the optimiser alone.

    Raises:
        BadInput: ``rho`` is negative or not finite.
    """

    optimiser: torch.optim.Optimizer
    rho: float = 0.05

    def __post_init__(self) -> None:
        if not 0 <= self.rho < math.inf:
            raise BadInput(f"rho is {self.rho}", "give a finite number of 0 or more, as 0.05")

    def step(self, closure: Callable[[], Tensor]) -> Tensor:
        """One step.

        Args:
            closure: Clears the gradients, computes the loss and its gradients; called twice.

        Returns:
            The loss at w.
        """
        random = torch.get_rng_state()
        loss = closure().detach()
        if self.rho:
            held = self._climb()
            after = torch.get_rng_state()
            torch.set_rng_state(random)
            closure()
            torch.set_rng_state(after)
            with torch.no_grad():
                for tensor, start in held:
                    tensor.copy_(start)  # as it was, to the last bit
        self.optimiser.step()
        return loss

    @torch.no_grad()
    def _climb(self) -> list[tuple[Tensor, Tensor]]:
        """Move to the worst point near by; what was moved, and where it stood."""
        moved: list[tuple[Tensor, Tensor]] = [
            (tensor, tensor.grad)
            for group in self.optimiser.param_groups
            for tensor in group["params"]
            if tensor.grad is not None
        ]
        norm = math.hypot(*(float(torch.linalg.vector_norm(slope)) for _, slope in moved))
        held = [(tensor, tensor.clone()) for tensor, _ in moved]
        for tensor, slope in moved:
            tensor.add_(slope, alpha=self.rho / norm if norm else 0.0)
        return held
