"""A short, deterministic training loop: enough for the demo, the examples and the tests."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Criterion = Callable[[Tensor, Tensor], Tensor]
"""Outputs and targets to a scalar loss."""

OptimiserFactory = Callable[..., torch.optim.Optimizer]
"""Called as ``factory(parameters, lr=lr)``; ``torch.optim.Adam`` is one."""


def seeded(factory: Callable[[], nn.Module], seed: int) -> nn.Module:
    """Build a model whose initial weights depend on ``seed`` alone.

    The caller's random state is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return factory()


def train(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    epochs: int,
    batch: int,
    lr: float,
    seed: int,
    criterion: Criterion = F.cross_entropy,
    optimiser: OptimiserFactory = torch.optim.Adam,
    after_epoch: Callable[[int, float], None] | None = None,
) -> nn.Module:
    """Train ``model`` in place and return it in evaluation mode.

    The order of the samples comes from a generator seeded with ``seed``; dropout, if the model
    has any, from a forked random state with the same seed. The caller's state is not touched.

    Args:
        model: The module to train.
        x: Inputs, shape (samples, ...).
        y: Targets, shape (samples, ...).
        epochs: Passes over the data.
        batch: Samples a step; the last step of an epoch may have fewer.
        lr: Step size, handed to ``optimiser``.
        seed: Fixes the run.
        criterion: Loss of outputs and targets.
        optimiser: Makes the optimiser, as ``optimiser(parameters, lr=lr)``.
        after_epoch: Called with the epoch (from 1) and its mean training loss.
    """
    generator = torch.Generator().manual_seed(seed)
    steps = optimiser(model.parameters(), lr=lr)
    model.train()
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        for epoch in range(1, epochs + 1):
            total = 0.0
            for index in torch.split(torch.randperm(len(x), generator=generator), batch):
                chosen = index.to(x.device)
                steps.zero_grad(set_to_none=True)
                loss = criterion(model(x[chosen]), y[chosen])
                loss.backward()  # type: ignore[no-untyped-call]
                steps.step()
                total += float(loss.detach()) * len(index)
            if after_epoch is not None:
                after_epoch(epoch, total / len(x))
    return model.eval()


def accuracy(model: nn.Module, x: Tensor, y: Tensor, *, batch: int = 1000) -> float:
    """The share of samples whose largest output is at ``y``; the model's mode is restored."""
    mode = model.training
    model.eval()
    with torch.no_grad():
        right: int = sum(
            int((model(inputs).argmax(-1) == targets).sum())
            for inputs, targets in zip(torch.split(x, batch), torch.split(y, batch), strict=True)
        )
    model.train(mode)
    return right / y.numel()
