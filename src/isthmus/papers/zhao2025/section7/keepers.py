"""The ways of keeping a first task that are compared, each with one number that says how much."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TypeAlias

import torch
from torch import Tensor

from isthmus.ground import Params, double
from isthmus.landscape import (
    DiagonalFisher,
    ElasticPenalty,
    FlatDirections,
    LayerInputs,
    LowRankFisher,
    tune,
)
from isthmus.papers.tasks import Task

Keeper: TypeAlias = "FlatDirections | ElasticPenalty | None"


@dataclass(frozen=True, eq=False)
class Trial:
    """A second task that is to be learned, from where the first was.

    Attributes:
        first: The task whose parameters ``start`` are.
        second: The other.
        start: Where every method begins.
        rate: The step size of Adam.
        epochs: Passes over the second task.
        rank: Directions of the first task that are sketched.
        samples: Of the first task that the methods look at.
        seed: Of the order of batches, and of drawn targets.
    """

    first: Task
    second: Task
    start: Params
    rate: float
    epochs: int
    rank: int
    samples: int
    seed: int

    def run(self, method: str, strength: float) -> Params:
        """The end of a training that keeps the first task so, and so much."""
        return self.tuned(KEEPERS[method](self, strength), strength if method == PLAIN else 1.0)

    def tuned(self, keep: Keeper, speed: float = 1.0) -> Params:
        """The end of a training; ``speed`` multiplies the step size."""
        adam = partial(torch.optim.Adam, lr=self.rate * speed)
        loss = self.second.loss(batch=64)
        return tune(self.start, loss, keep, optimiser=adam, epochs=self.epochs, seed=self.seed)

    @cached_property
    def diagonal(self) -> DiagonalFisher:
        """That of the first task."""
        return DiagonalFisher.of(self.first.loss(), self.start, self.samples, self.seed)

    @cached_property
    def sketch(self) -> LowRankFisher:
        """That of the first task."""
        return LowRankFisher.of(self.first.loss(), self.start, self.rank, self.samples, self.seed)

    def ewc(self, strength: float) -> Keeper:
        """A penalty on every parameter."""
        return ElasticPenalty(self.start, self.diagonal, strength)

    def low_rank(self, strength: float) -> Keeper:
        """A penalty along the steepest directions; none along the orbit."""
        return ElasticPenalty(self.start, self.sketch, strength)

    def orthogonal(self, strength: float) -> Keeper:
        """Steps off so many of the steepest directions."""
        rank = int(strength)
        steep = self.sketch
        return replace(steep, values=steep.values[:rank], basis=steep.basis[:rank])

    def layers(self, strength: float) -> Keeper:
        """Steps off so large a share of every layer's inputs."""
        return LayerInputs.of(self.first.loss(2 * self.samples), self.start, strength)


PLAIN = "plain"
KEEPERS: Mapping[str, Callable[[Trial, float], Keeper]] = {
    PLAIN: lambda trial, strength: None,
    "EWC": Trial.ewc,
    "low rank": Trial.low_rank,
    "orthogonal": Trial.orthogonal,
    "layer inputs": Trial.layers,
}
"""By name; the number is a factor of the step size, a strength, a rank, or a share."""


def exactness(trial: Trial, samples: int) -> tuple[Tensor, Tensor]:
    """How far tuning off all inputs of a few samples changes what is said to them, relative to it.

    Returns:
        That change, and by how much the second task's training loss falls meanwhile; in float64.
    """
    few = trial.first.loss(samples)
    exact = replace(few, dtype=torch.float64)
    wide = double(trial.start)
    learned = replace(trial.second.loss(500, batch=50), dtype=torch.float64)
    adam = partial(torch.optim.Adam, lr=3e-3)
    end = tune(wide, learned, LayerInputs.of(exact, wide, 1.0), optimiser=adam, epochs=2)
    model = trial.first.fresh().double().eval()
    x = trial.first.x[:samples]
    x = x.double() if x.is_floating_point() else x
    with torch.no_grad():
        before, after = (torch.func.functional_call(model, p, (x,)) for p in (wide, end))
    change = (after - before).abs().max() / before.abs().max()
    return change, torch.tensor(learned(wide) - learned(end))
