"""Ways to an ensemble, each with what it costs: cheap ones from one model, and deep ensembles."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

import torch
from torch import Tensor

from isthmus.algebra import Symmetry
from isthmus.discovery import discover
from isthmus.ground import Params, double
from isthmus.landscape import Loss, Training
from isthmus.merging import (
    AbstractMaker,
    Cost,
    CurveMembers,
    DataSymmetryMembers,
    Ensemble,
    EnsembleScores,
    OrbitMembers,
    SimplexMembers,
    TrainedMembers,
)
from isthmus.papers.bench import Bench
from isthmus.papers.tasks import Task
from isthmus.testing import datasets
from isthmus.testing.schedules import WarmupCosine

Way: TypeAlias = "tuple[list[Mapping[str, Tensor]], Cost]"
"""Members, and what they cost in all."""


@dataclass(frozen=True)
class Budget:
    """What may be spent.

    Attributes:
        epochs: Of the model that cheap members are made from.
        members: Of every ensemble.
        cycle: Epochs for each further member of a cheap ensemble; the equal cost is
            ``epochs + (members - 1) · cycle``, a multiple of ``members``.
        rate: Adam's highest, in every training; it falls to 0 along half a cosine.
        fitted: Samples that readers are refitted to.
        batch: Samples a step, in every training.
        size: How far hidden units are mixed; so log-scales and shears on the orbit.
    """

    epochs: int
    members: int
    cycle: int
    rate: float
    fitted: int
    batch: int = 64
    size: float = 0.3

    @property
    def total(self) -> int:
        """The equal cost, in epochs."""
        return self.epochs + (self.members - 1) * self.cycle


@dataclass(frozen=True)
class Workshop:
    """Makes ensembles of one network, from one seed."""

    bench: Bench
    task: Task
    budget: Budget
    seed: int

    @property
    def ways(self) -> dict[str, Callable[[], Way]]:
        """By name, in the order of the table."""
        return {
            "single": lambda: ([self.base], Cost(self._steps(self.budget.epochs))),
            "trained longer": lambda: self._deep(1, self.budget.total),
            "orbit": lambda: self._wide(OrbitMembers(self.symmetry, self.budget.size)),
            "data symmetry": lambda: self._made(self._data),
            "curve": lambda: self._made(self._curve),
            "simplex": lambda: self._made(self._simplex),
            "trained on": lambda: self._made(self._trained(None)),
            "from the orbit": lambda: self._made(
                self._trained(OrbitMembers(self.symmetry, self.budget.size))
            ),
            "from data symmetry": lambda: self._made(self._trained(self._data)),
            "snapshots": self._snapshots,
            "deep, equal cost": lambda: self._deep(
                self.budget.members, self.budget.total // self.budget.members
            ),
            "deep": lambda: self._deep(self.budget.members, self.budget.epochs),
        }

    def scores(self, members: Sequence[Mapping[str, Tensor]]) -> EnsembleScores:
        """On test data, in float64."""
        test = replace(self.task.loss(test=True), dtype=torch.float64)
        return Ensemble(test, members).evaluate()

    @cached_property
    def base(self) -> Params:
        """The model that cheap members are made from."""
        return self._model(self.seed, self.budget.epochs)

    @cached_property
    def symmetry(self) -> Symmetry:
        """Of the network."""
        return discover(self.task.fresh(), self.task.x[:1])

    def _model(self, seed: int, epochs: int) -> Params:
        name = f"{self.task.name}-{seed}-{epochs}"
        rate = WarmupCosine(self.budget.rate)
        return self.task.trained(
            self.bench, seed, epochs=epochs, batch=self.budget.batch, lr=rate, name=f"model-{name}"
        )

    def _steps(self, epochs: int) -> int:
        return epochs * math.ceil(len(self.task.x) / self.budget.batch)

    @property
    def _loss(self) -> Loss:
        shown = datasets.batches(self.task.x, self.task.y, self.budget.batch)
        return Loss(self.task.fresh(), shown, self.task.criterion)

    @property
    def _training(self) -> Training:
        def adam(tensors: Sequence[Tensor]) -> torch.optim.Optimizer:
            return torch.optim.Adam(tensors, lr=self.budget.rate)

        return Training(optimiser=adam)

    @property
    def _cycle(self) -> int:
        return self._steps(self.budget.cycle)

    @property
    def _extra(self) -> int:
        return (self.budget.members - 1) * self._cycle

    @property
    def _data(self) -> DataSymmetryMembers:
        fitted = self.task.x[: self.budget.fitted]
        return DataSymmetryMembers(self.task.fresh(), fitted, self.symmetry, self.budget.size)

    @property
    def _curve(self) -> CurveMembers:
        other = OrbitMembers(self.symmetry, self.budget.size)
        return CurveMembers(self._loss, other, self._extra, training=self._training)

    @property
    def _simplex(self) -> SimplexMembers:
        return SimplexMembers(self._loss, 2, self._extra, training=self._training)

    def _trained(self, starts: AbstractMaker | None) -> TrainedMembers:
        return TrainedMembers(self._loss, self._cycle, starts, self._training)

    def _made(self, maker: AbstractMaker) -> Way:
        made = maker(self.base, self.budget.members - 1, self.seed)
        return [self.base, *made.params], Cost(self._steps(self.budget.epochs)) + made.cost

    def _wide(self, maker: AbstractMaker) -> Way:
        """In float64, so that what is exact is seen to be."""
        wide = double(self.base)
        made = maker(wide, self.budget.members - 1, self.seed)
        return [wide, *made.params], Cost(self._steps(self.budget.epochs)) + made.cost

    def _snapshots(self) -> Way:
        """One training in cycles, a member at the end of each (Huang et al. 2017)."""
        members: list[Mapping[str, Tensor]] = [self.base]
        for k in range(1, self.budget.members):
            members += self._trained(None)(members[-1], 1, self.seed + k).params
        return members, Cost(self._steps(self.budget.epochs) + self._extra)

    def _deep(self, count: int, epochs: int) -> Way:
        """Independent trainings."""
        found = [self._model(self.seed + 100 * k, epochs) for k in range(count)]
        return list(found), Cost(count * self._steps(epochs))
