"""Re-basin via implicit Sinkhorn differentiation (Peña et al. 2023), distance in parameters.

A permutation is the Sinkhorn limit of free logits over a temperature. The squared distance of the
softly moved model is minimised by gradient steps (Adam); the gradient passes through the limit by
the implicit function theorem, not through the iterations. The last matrices are made permutations
by assignment.
"""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor

from field.models import Axes, Matrices, Params, best, mixed, places, sizes


def sinkhorn(
    a: Params,
    b: Params,
    axes: Axes,
    *,
    seconds: float,
    steps: int = 10_000,
    rate: float = 0.1,
    temperature: float = 1.0,
    iterations: int = 20,
) -> Matrices:
    """Descend from logits that favour the identity.

    Args:
        a, b: the models; b is moved.
        axes: the permutation of each axis.
        seconds: of processor time.
        steps: the most steps.
        rate: of Adam.
        temperature: the logits are divided by it.
        iterations: the normalisations of rows and columns of a step.
    """
    began = time.process_time()
    logits = {perm: torch.eye(n).requires_grad_() for perm, n in sizes(axes, a).items()}
    optimiser = torch.optim.Adam(list(logits.values()), lr=rate)
    moving = {name for of in places(axes).values() for name, _ in of}
    for _ in range(steps):
        if time.process_time() - began >= seconds:
            break
        soft = {perm: Limit.apply(x / temperature, iterations) for perm, x in logits.items()}
        gaps = ((a[name] - mixed(b, axes, soft, name)).square().sum() for name in moving)
        loss = sum(gaps, torch.zeros(()))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return {perm: best(normalised(x / temperature, iterations)) for perm, x in logits.items()}


def normalised(logits: Tensor, iterations: int) -> Tensor:
    """Rows and columns of the exponentials brought to sum 1 in turn, as vectors beside a kernel."""
    kernel = (logits - logits.amax(1, keepdim=True)).exp().clamp_min(1e-30)
    right = torch.ones(len(kernel))
    for _ in range(iterations):
        left = 1 / (kernel @ right)
        right = 1 / (kernel.T @ left)
    return left.unsqueeze(1) * kernel * right


class Limit(torch.autograd.Function):
    """The doubly stochastic limit, with the gradient of the limit."""

    @staticmethod
    def forward(context: Any, logits: Tensor, iterations: int) -> Tensor:
        """The normalised matrix."""
        soft = normalised(logits, iterations)
        context.save_for_backward(soft)
        return soft

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """``P ∘ (G - u 1ᵀ - 1 vᵀ)``, with u and v for which rows and columns sum to zero.

        These solve ``u + P v = (P∘G) 1`` and ``Pᵀ u + v = (P∘G)ᵀ 1``; u is eliminated, and the
        last v, which the equations leave free, is 0.
        """
        (soft,) = context.saved_tensors
        felt = soft * gradient
        across, down = felt.sum(1), felt.sum(0)
        square = -(soft.T @ soft)
        square.diagonal().add_(1 + 1e-6)
        v = torch.zeros_like(down)
        v[:-1] = torch.linalg.solve(square[:-1, :-1], (down - soft.T @ across)[:-1])
        u = across - soft @ v
        return felt - soft * (u.unsqueeze(1) + v), None
