"""Descent on a task: a training that can be cut at any step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from isthmus.ground import Params, params_of
from isthmus.papers.tasks import Task
from isthmus.testing.training import OptimiserFactory


def _nothing(step: int, model: nn.Module) -> object:
    return None


@dataclass(frozen=True, eq=False)
class Descent:
    """A `Trainer`: minibatches in an order that comes from the seed and the epoch alone.

    Without momentum, as it is by default, a training that is cut at a step and gone on with from
    there is the whole one, bit for bit.

    Args:
        task: What is trained.
        rate: The size of every step, from 0.
        batch: Samples a step.
        optimiser: Makes it, as ``optimiser(parameters, lr=lr)``; it begins anew at every cut.
        after: Called with every step and the model after it.
    """

    task: Task
    rate: Callable[[int], float]
    batch: int = 64
    optimiser: OptimiserFactory = torch.optim.SGD
    after: Callable[[int, nn.Module], object] = _nothing

    @property
    def epoch(self) -> int:
        """Steps in an epoch; samples that fill no batch wait for another epoch."""
        return len(self.task.x) // self.batch

    def __call__(self, start: Mapping[str, Tensor], seed: int, begin: int, end: int) -> Params:
        """The Params after step ``end``, from those after step ``begin``."""
        model = self.task.fresh()
        model.load_state_dict(dict(start))
        model.train()
        optimiser = self.optimiser(model.parameters(), lr=1.0)
        order = None
        for step in range(begin, end):
            if order is None or step % self.epoch == 0:
                order = self._order(seed, step // self.epoch)
            chosen = order[step % self.epoch]
            optimiser.param_groups[0]["lr"] = self.rate(step)
            optimiser.zero_grad(set_to_none=True)
            with torch.enable_grad():
                value = self.task.criterion(model(self.task.x[chosen]), self.task.y[chosen])
                value.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            self.after(step, model)
        return params_of(model.eval())

    def _order(self, seed: int, epoch: int) -> tuple[Tensor, ...]:
        """The batches of an epoch, as the numbers of their samples."""
        generator = torch.Generator().manual_seed(1_000_003 * seed + epoch)
        return torch.split(torch.randperm(len(self.task.x), generator=generator), self.batch)
