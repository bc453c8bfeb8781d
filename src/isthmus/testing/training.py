"""A short, deterministic training loop: enough for the demo, the examples and the tests."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isthmus.ground.writing import StrPath
from isthmus.testing.resuming import Resumption
from isthmus.testing.schedules import Schedule

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
    lr: float | Schedule,
    seed: int,
    criterion: Criterion = F.cross_entropy,
    optimiser: OptimiserFactory = torch.optim.Adam,
    after_epoch: Callable[[int, float], None] | None = None,
    kept: StrPath | None = None,
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
        lr: Step size, handed to ``optimiser``; or a schedule of it, such as `WarmupCosine`.
        seed: Fixes the run.
        criterion: Loss of outputs and targets.
        optimiser: Makes the optimiser, as ``optimiser(parameters, lr=lr)``.
        after_epoch: Called with the epoch (from 1) and its mean training loss.
        kept: A file in which the state is kept after every epoch; where it exists, the training
            goes on from there, to the same end. It is left to the caller to delete it.

    Raises:
        BadCheckpoint: The kept state is not readable.
        BadInput: It is that of another training.
        CannotWrite: It cannot be kept.
    """
    order = torch.Generator().manual_seed(seed)
    count = math.ceil(len(x) / batch)
    rate: Schedule = lr if callable(lr) else lambda step, steps: lr
    steps = optimiser(model.parameters(), lr=rate(0, epochs * count))
    model.train()
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        resumption, done = None, 0
        if kept is not None:
            words = f"{epochs} {batch} {lr} {seed} {steps} {_words(x)} {_words(y)}"
            resumption = Resumption.of(Path(kept), words, model)
            done = resumption.load(model, steps, order)
        for epoch in range(done + 1, epochs + 1):
            total, first = 0.0, (epoch - 1) * count
            for index in torch.split(torch.randperm(len(x), generator=order), batch):
                for group in steps.param_groups:
                    group["lr"] = rate(first, epochs * count)
                first += 1
                total += _step(model, steps, criterion, x, y, index.to(x.device)) * len(index)
            if resumption is not None:
                resumption.save(epoch, model, steps, order)
            if after_epoch is not None:
                after_epoch(epoch, total / len(x))
    return model.eval()


def _step(
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    criterion: Criterion,
    x: Tensor,
    y: Tensor,
    chosen: Tensor,
) -> float:
    """One step on the chosen samples; returns their loss before it."""
    optimiser.zero_grad(set_to_none=True)
    loss = criterion(model(x[chosen]), y[chosen])
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return float(loss.detach())


def _words(data: Tensor) -> str:
    return f"{tuple(data.shape)} {data.dtype} {float(data.double().sum())!r}"


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
