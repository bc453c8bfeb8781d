"""Transport plans between the units of two models of any widths (mathematics.md 3C)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from isthmus.ground.assignment import assignment
from isthmus.ground.errors import MissingExtra


@dataclass(frozen=True, eq=False)
class Plan:
    """How much mass each pair exchanges, ``(*batch, n, m)``: n target units, m source units."""

    mass: Tensor

    @property
    def averaging(self) -> Tensor:
        """Rows of sum 1: each target unit is a mean of source units. For what a unit computes."""
        return self.mass / self.mass.sum(-1, keepdim=True).clamp_min(1e-300)

    @property
    def sharing(self) -> Tensor:
        """Columns of sum 1: each source unit is shared out. For what is read from the units."""
        return self.mass / self.mass.sum(-2, keepdim=True).clamp_min(1e-300)


def exact(cost: Tensor, target: Tensor, source: Tensor) -> Tensor:
    """The plan of least cost between masses ``target (n,)`` and ``source (m,)``.

    Between equally many units of equal mass it is a permutation (Birkhoff), found by assignment;
    other plans need the extra ``transport`` (POT).

    Raises:
        MissingExtra: POT is needed and not installed.
    """
    n, m = cost.shape
    if n == m and bool(target.max() - target.min() + source.max() - source.min() <= 1e-12 / n):
        mass = torch.zeros(n, m, dtype=torch.float64)
        mass[torch.arange(n), assignment(cost)] = 1 / n
        return mass
    try:
        import ot
    except ImportError:
        raise MissingExtra(
            f"an exact transport plan between {m} and {n} units needs POT",
            "install it with `pip install isthmus[transport]`, or give an epsilon",
        ) from None
    found = ot.emd(target.numpy(), source.numpy(), cost.numpy(), numItermax=10_000_000)
    return torch.as_tensor(found)


def entropic(
    cost: Tensor, target: Tensor, source: Tensor, epsilon: float, iterations: int = 500
) -> Tensor:
    """The plan of least cost with entropy (Cuturi 2013), by Sinkhorn steps in logarithms.

    ``epsilon`` is relative to the mean cost.
    """
    kernel = -cost / (epsilon * cost.mean().clamp_min(1e-300))
    one, other = target.log(), source.log()
    left, right = torch.zeros_like(one), torch.zeros_like(other)
    for _ in range(iterations):
        left = one - (kernel + right).logsumexp(1)
        right = other - (kernel + left.unsqueeze(1)).logsumexp(0)
    return (kernel + left.unsqueeze(1) + right).exp()
