"""Decay: how weight decay alone shrinks what gradient flow would conserve."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

from isthmus.ground import BadInput, Result


@final
@dataclass(frozen=True)
class Decay(Result):
    """What share of every charge steps of SGD leave, but for what the size of the steps adds.

    ``v ← μ v + ∇L + λ w``, ``w ← w - η v`` (`torch.optim.SGD`). Gradients pair to zero with all
    directions of the orbit, so to first order in η a charge ``⟨w, ξ w⟩`` shrinks as if there were
    none: by ``s²``, with s what the same recursion makes of 1. Without momentum that is
    ``(1 - ηλ)²`` a step; in small steps ``exp(-2 η λ / (1 - μ))``, gradient flow (Kunin et al.
    2021). The gradients' own squares, ``η² ⟨v, ξ v⟩``, are what `ChargeMonitor` follows besides.

    Args:
        rate: η, the step size.
        weight_decay: λ.
        momentum: μ.

    Raises:
        BadInput: One is negative or not finite, or the momentum is 1 or more.
    """

    rate: float
    weight_decay: float
    momentum: float = 0.0

    def __post_init__(self) -> None:
        for name in ("rate", "weight_decay", "momentum"):
            if not 0 <= getattr(self, name) < (1 if name == "momentum" else math.inf):
                bound = "from 0 to below 1" if name == "momentum" else "of 0 or more"
                raise BadInput(f"{name} is {getattr(self, name)}", f"give a number {bound}")

    def after(self, steps: int) -> float:
        """The share of a charge that is left after so many steps."""
        weight, velocity = 1.0, 0.0
        for _ in range(steps):
            velocity = self.momentum * velocity + self.weight_decay * weight
            weight -= self.rate * velocity
        return weight**2

    def flow(self, steps: int) -> float:
        """The same of gradient flow."""
        return math.exp(-2 * self.rate * self.weight_decay * steps / (1 - self.momentum))

    @property
    def half_life(self) -> float:
        """The steps of gradient flow in which charges halve; infinite without weight decay."""
        speed = 2 * self.rate * self.weight_decay / (1 - self.momentum)
        return math.log(2) / speed if speed else math.inf

    def __str__(self) -> str:
        if not self.half_life < math.inf:
            return "without weight decay, gradient flow conserves all charges"
        return f"charges halve every {self.half_life:.4g} steps"
