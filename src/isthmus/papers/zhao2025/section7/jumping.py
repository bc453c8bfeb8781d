"""A training that moves along its orbit at some of its steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from isthmus.algebra import Symmetry
from isthmus.discovery import discover
from isthmus.ground import NotFinite, Params, params_of
from isthmus.landscape import Flattest, Loss, Steepest, teleport
from isthmus.papers.tasks import Task

STEPS = 5
"""On the group, in each move."""
PROBES = 4
BATCH = 64


@dataclass(frozen=True)
class Plan:
    """When a training moves, as shares of its steps, and by what."""

    moments: tuple[float, ...] = ()
    objective: Steepest | Flattest | None = None

    @property
    def passes(self) -> int:
        """What a move costs, in passes over a batch: a product with the Hessian is two."""
        return (STEPS + 1) * (2 * PROBES if isinstance(self.objective, Flattest) else 1)


PLANS: Mapping[str, Plan] = {
    "plain": Plan(),
    "steepest once": Plan((0.0,), Steepest()),
    "steepest thrice": Plan((0.0, 0.15, 0.3), Steepest()),
    "flattest twice": Plan((0.0, 0.5), Flattest(PROBES)),
}
"""By name; the first does not move."""


def run(
    task: Task, plan: str, rate: float, reach: float, seeds: Iterable[int], steps: int
) -> Params:
    """Trainings from some seeds: as in `Teleported`, and the passes up to each step."""
    symmetry = discover(task.fresh(), task.x[:1], gauge="asis")
    runs = [_Run(task, symmetry, PLANS[plan], rate, reach, seed).all(steps) for seed in seeds]
    losses, tests, moves = (torch.stack(parts) for parts in zip(*runs, strict=True))
    jumps = torch.zeros(steps, dtype=torch.long)
    for moment in PLANS[plan].moments:
        jumps[int(moment * steps)] = PLANS[plan].passes
    passes = (jumps + 1).cumsum(0)
    return {"losses": losses, "tests": tests, "moves": moves, "passes": passes}


class _Run:
    """One training."""

    def __init__(
        self, task: Task, symmetry: Symmetry, plan: Plan, rate: float, reach: float, seed: int
    ) -> None:
        self.task, self.symmetry, self.plan, self.reach = task, symmetry, plan, reach
        self.model = task.fresh(seed)
        self.optimiser = torch.optim.SGD(self.model.parameters(), lr=rate)
        self.generator = torch.Generator().manual_seed(seed)
        self.change, self.fall = 0.0, float("inf")

    def all(self, steps: int) -> tuple[Tensor, Tensor, Tensor]:
        """Losses of the batches, test figures, and what the moves did."""
        losses = torch.full((steps,), float("inf"), dtype=torch.float64)
        moments = {int(moment * steps) for moment in self.plan.moments}
        for step in range(steps):
            batch = self._batch()
            try:
                if step in moments:
                    self._move(batch)
                losses[step] = self._step(batch)
            except NotFinite:
                break
        found = self.task.loss(test=True).evaluate(params_of(self.model))
        test = torch.tensor([found.loss, found.metrics["accuracy"]], dtype=torch.float64)
        moves = torch.tensor([self.change, self.fall], dtype=torch.float64)
        return losses, test, moves

    def _batch(self) -> tuple[Tensor, Tensor]:
        index = torch.randint(len(self.task.x), (BATCH,), generator=self.generator)
        return self.task.x[index], self.task.y[index]

    def _step(self, batch: tuple[Tensor, Tensor]) -> float:
        self.optimiser.zero_grad()
        value = self.task.criterion(self.model(batch[0]), batch[1])
        if not bool(value.isfinite()):
            raise NotFinite("the loss diverged", "take smaller steps")
        value.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return float(value.detach())

    def _move(self, batch: tuple[Tensor, Tensor]) -> None:
        """Along the orbit, in float64."""
        assert self.plan.objective is not None
        wide = {n: t.double() for n, t in params_of(self.model).items()}
        loss = Loss(self.model, [batch], self.task.criterion, {}, dtype=torch.float64)
        found = teleport(wide, loss, self.symmetry, self.plan.objective, STEPS, self.reach)
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.copy_(found.params[name])
        self.change = max(self.change, abs(found.moved / found.loss - 1))
        self.fall = min(self.fall, found.figures[0] - found.figures[-1])
