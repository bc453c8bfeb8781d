"""The one loop in which control points are trained."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch

from isthmus.ground import BadInput, NotFinite
from isthmus.landscape.curves.training.keeping import Keeper
from isthmus.landscape.curves.training.options import Training
from isthmus.landscape.curves.training.record import TrainingRecord
from isthmus.landscape.curves.training.task import Task
from isthmus.landscape.evaluation.samples import drawn
from isthmus.landscape.loss import Progress
from isthmus.landscape.running import Batch, pair

_LOOK = 50
"""Steps between two looks at the losses, which would make an accelerator wait."""


def descend(
    task: Task, steps: int, seed: int, training: Training, progress: Progress | None = None
) -> TrainingRecord:
    """Train the points of ``task``; they are then in its `ControlPoints`.

    Raises:
        BadInput: ``steps`` is not positive, a batch does not fit, or the checkpoint is of another
            training.
        NotFinite: A loss is NaN or infinite.
    """
    if steps < 1:
        raise BadInput(f"steps is {steps}, expected at least 1", "give a positive number of steps")
    run = _Run(task, steps, seed, training)
    devices = [task.points.device] if task.points.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), torch.enable_grad():
        for done in run.steps():
            if progress is not None:
                progress(done, steps)
    return TrainingRecord(steps, run.seconds, tuple(run.losses.tolist()), seed)


class _Run:
    """A training under way: all of its state that is not in the points."""

    def __init__(self, task: Task, steps: int, seed: int, training: Training) -> None:
        self.task, self.total, self.seed, self.training = task, steps, seed, training
        self.generator = torch.Generator().manual_seed(seed)
        self.losses = torch.full((steps,), math.nan, device=task.points.device)
        self.done, self.seconds = 0, 0.0
        self._renew()

    def _renew(self) -> None:
        """A fresh optimiser of the points that are trained now."""
        rows = [tensor for row in self.task.points.rows.values() for tensor in row]
        self.optimiser = self.training.optimiser(rows)
        self.rates = [group["lr"] for group in self.optimiser.param_groups]

    def steps(self) -> Iterator[int]:
        """Makes one step at a time, and counts; begins where a kept state ends."""
        words = f"{self.task.words} {self.total} {self.seed} {self.training.samples} "
        words += f"{type(self.optimiser).__name__} {self.optimiser.defaults}"
        keeper = Keeper(self.training.checkpoint, self.task.points, words)
        kept = keeper.load()
        if kept is not None:
            self._restore(kept)
        start, begin = self.done, time.perf_counter() - self.seconds
        feed = _feed(self.task.loss.batches, self.seed)
        for index in range(self.total):
            # All chance in the data and in the model follows from the number of the step.
            self._seed((self.seed * 1_000_003 + index) % 2**63)
            batch = next(feed)
            if index < start:
                continue
            self._step(index, pair(batch, index))
            self.done, self.seconds = index + 1, time.perf_counter() - begin
            keep = self.done % self.training.every == 0 or self.done == self.total
            if keep or self.done % _LOOK == 0:
                self._look(max(start, self.done - _LOOK))
            if keep:
                keeper.save(self._state())
            yield self.done

    def _seed(self, number: int) -> None:
        # Not `torch.manual_seed`: where no GPU is in use, it formats the stack at every call.
        torch.default_generator.manual_seed(number)
        if self.task.points.device.type == "cuda":
            torch.cuda.manual_seed(number)

    def _step(self, index: int, batch: Batch) -> None:
        points, task = self.task.points, self.task
        for group, rate in zip(self.optimiser.param_groups, self.rates, strict=True):
            group["lr"] = rate * self.training.schedule(index / self.total)
        weights = task.draw(self.generator)
        chosen = points.placed(drawn(batch, self.training.samples, self.generator))
        points.stand(weights)
        value = task.objective(chosen)
        points.differentiate(value, weights)
        self.losses[index] = value.detach()
        task.adjust(value.detach())
        self.optimiser.step()
        if task.settle(index + 1):
            self._renew()

    def _state(self) -> dict[str, Any]:
        points = self.task.points
        return {
            "done": self.done,
            "seconds": self.seconds,
            "losses": self.losses,
            "matrix": points.matrix,
            "trained": list(points.trained),
            "buffers": dict(points.model.named_buffers()),
            "task": self.task.state(),
            "optimiser": self.optimiser.state_dict(),
            "generator": self.generator.get_state(),
        }

    def _restore(self, kept: dict[str, Any]) -> None:
        points = self.task.points
        points.matrix = kept["matrix"].to(points.matrix)
        points.choose(kept["trained"])
        for name, buffer in points.model.named_buffers():
            buffer.copy_(kept["buffers"][name])
        self.task.restore(kept["task"])
        self._renew()
        self.optimiser.load_state_dict(kept["optimiser"])
        self.generator.set_state(kept["generator"])
        self.losses.copy_(kept["losses"])
        self.done, self.seconds = kept["done"], kept["seconds"]

    def _look(self, start: int) -> None:
        """Raise where one of the last losses is not finite."""
        found = self.losses[start : self.done]
        if not found.isfinite().all():
            first = start + int((~found.isfinite()).int().argmax())
            raise NotFinite(
                f"the loss at step {first + 1} of {self.total} is {float(self.losses[first])}",
                "give an optimiser with a lower rate, as "
                "Training(optimiser=lambda tensors: torch.optim.Adam(tensors, lr=1e-4))",
            )


def _feed(batches: Iterable[Batch], seed: int) -> Iterator[Any]:
    """Batches without end: a sequence is shuffled every time around, all else is read anew."""
    for around in itertools.count():
        empty, found = True, batches
        if isinstance(batches, Sequence):
            own = torch.Generator().manual_seed(seed + around)
            order = torch.randperm(len(batches), generator=own).tolist()
            found = (batches[k] for k in order)
        for batch in found:
            empty = False
            yield batch
        if empty:
            raise BadInput("no batches to train on", "give at least one batch")
