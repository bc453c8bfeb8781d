"""The loss of a model as a function of its Params, on fixed data."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TypeAlias, final

import torch
from torch import Tensor, nn

from isthmus.ground import BadInput, Params, Result
from isthmus.landscape.evaluation.engine import Engine, Step
from isthmus.landscape.evaluation.memory import weight
from isthmus.landscape.evaluation.metrics import Criterion, Metric
from isthmus.landscape.evaluation.ranks import ALONE, Ranks
from isthmus.landscape.evaluation.scores import LOSS, Scoring, Totals, averages
from isthmus.landscape.running import Batch, weights_for, weights_like
from isthmus.landscape.statistics import recompute_statistics as recompute

Progress: TypeAlias = "Callable[[int, int], None]"
"""Called with how many steps are done and how many there are."""


@final
@dataclass(frozen=True)
class Evaluation(Result):
    """The loss and the metrics at one point, over ``samples`` samples.

    ``each`` holds the losses of the samples, float64 of shape (samples,), where they are asked for.
    """

    loss: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    samples: int = 0
    each: Tensor | None = field(default=None, repr=False, compare=False, metadata={"json": False})

    @property
    def finite(self) -> bool:
        """Whether the loss is a number: a diverged model has infinity or NaN."""
        return math.isfinite(self.loss)

    def __str__(self) -> str:
        words = [f"loss {self.loss:.4g}" + ("" if self.finite else " (not finite)")]
        words += [f"{name} {value:.4g}" for name, value in self.metrics.items()]
        return ", ".join(words) + f" on {self.samples} samples"


@final
@dataclass(frozen=True, eq=False)
class Loss:
    """``loss(params)``: the mean of ``criterion`` over the samples of ``batches``.

    The model is only run, in evaluation mode and without gradients: it keeps its weights and its
    mode. Batches count by their samples, and sums are kept in float64.

    Many points are evaluated together (`along`): each batch in small steps, each step at one point
    after another, and what does not depend on the point once. On a line that is all that the first
    layer costs, and all layers in front of the first that moves.

    Args:
        model: The module whose architecture is evaluated; its weights do not matter.
        batches: Pairs (inputs, targets), inputs a tensor, a tuple or a mapping of arguments. A data
            loader is read anew at every evaluation, and once for all the points that fit into
            ``memory``; give one that does not shuffle or augment.
        criterion: Outputs and targets to their mean over the samples.
        metrics: Further figures by name, each a function like ``criterion`` or a `Metric`; None
            means the accuracy where the targets are class indices.
        dtype: Compute in this dtype, as float64 for an exact comparison; None keeps the params'.
        micro_batch: Samples a step; None chooses what ``memory`` and a CPU's cache hold, or the
            whole batch where ``criterion`` is seen to be no mean over the samples.
        memory: Bytes to work with beyond the model, the path's own tensors and one batch: half for
            points of the path that are held together, a quarter for results that they share, a
            quarter for those of one step at one point. At least one point and one sample are held.
        device: Where to compute; None stays where the params are.
        ranks: Processes among which the samples are split (`isthmus.landscape.ranks`); the result
            is that of one process, in all of them.

    Raises:
        BadInput: There are no batches, or ``micro_batch`` or ``memory`` is not positive.
    """

    model: nn.Module
    batches: Iterable[Batch]
    criterion: Criterion
    metrics: Mapping[str, Criterion | Metric] | None = None
    dtype: torch.dtype | None = None
    micro_batch: int | None = None
    memory: int = 2**30
    device: torch.device | None = None
    ranks: Ranks = ALONE

    def __post_init__(self) -> None:
        if iter(self.batches) is self.batches:  # a generator would be empty the second time
            object.__setattr__(self, "batches", tuple(self.batches))
        if isinstance(self.batches, Sequence) and not self.batches:
            raise BadInput("no batches to compute the loss on", "give at least one batch")
        if self.micro_batch is not None and self.micro_batch < 1:
            raise BadInput(
                f"micro_batch is {self.micro_batch}, expected at least 1",
                "give a positive number, or None to choose one",
            )
        if self.memory < 1:
            raise BadInput(f"memory is {self.memory}, expected at least 1", "give it in bytes")

    def __call__(self, params: Mapping[str, Tensor]) -> float:
        """The mean loss at ``params``; infinity or NaN where the model gives that.

        Raises:
            BadInput: The data do not fit the model or the criterion.
            UnknownName: ``params`` are not of this model; so ShapeMismatch.
        """
        return self._at([self._weights(params)], Scoring(self.criterion, {}))[0].loss

    def metrics_at(self, params: Mapping[str, Tensor]) -> dict[str, float]:
        """The metrics at ``params``. Raises as a call."""
        return dict(self.evaluate(params).metrics)

    def evaluate(self, params: Mapping[str, Tensor]) -> Evaluation:
        """Loss and metrics at ``params``, in one pass over the data. Raises as a call."""
        return self._at([self._weights(params)], Scoring(self.criterion, self.metrics))[0]

    def along(
        self,
        path: Callable[[float], Mapping[str, Tensor]],
        ts: Iterable[float],
        recompute_statistics: Iterable[Batch] | None = None,
        progress: Progress | None = None,
        each: bool = False,
    ) -> list[Evaluation]:
        """Loss and metrics at each of the points ``path(t)``. Raises as a call.

        Args:
            path: t to Params.
            ts: Where to look.
            recompute_statistics: Batches on which the BatchNorm statistics of every point are
                estimated first; None takes those that the path gives.
            progress: Called with (points done, points) after each; as work is shared, a point
                counts as done when that part of all work is.
            each: Whether the losses of single samples are kept too: points x samples in float64.
        """
        places = list(ts)
        again = recompute_statistics
        if again is not None and iter(again) is again:
            again = tuple(again)
        scoring = Scoring(self.criterion, self.metrics, each)
        found: list[Evaluation] = []
        while len(found) < len(places):
            block = self._block(path, places[len(found) :], again)
            told = _Told(progress, len(found), len(block), len(places))
            found += self._at(block, scoring, told)
            told(1.0)
            del block  # before the next is made
        return found

    @cached_property
    def _engine(self) -> Engine:
        is_mean = partial(averages, self.criterion)
        return Engine(self.model, self.dtype, self.micro_batch, self.memory, self.ranks, is_mean)

    def _weights(self, params: Mapping[str, Tensor]) -> Params:
        return weights_for(self.model, params, self.dtype, self.device)

    def _block(
        self,
        path: Callable[[float], Mapping[str, Tensor]],
        ts: Sequence[float],
        again: Iterable[Batch] | None,
    ) -> list[Params]:
        """The weights at the first of ``ts``: at as many as the memory holds."""
        block: list[Params] = []
        for t in ts:
            params: Mapping[str, Tensor] = path(t)
            if again is not None:
                params = recompute(self.model, params, again, self.dtype, self.ranks)
            first = block[0] if block else None
            block.append(
                weights_like(self.model, params, first) if first else self._weights(params)
            )
            if (len(block) + 1) * weight(block[0]) > self.memory / 2:
                break
        return block

    def _at(
        self,
        points: Sequence[Params],
        scoring: Scoring,
        told: Callable[[float], None] = lambda _: None,
    ) -> list[Evaluation]:
        """What is scored, at points that are held together."""
        own = [Totals() for _ in points]

        def visit(step: Step) -> None:
            own[step.point].add(scoring.of(step))

        self._engine.over(points, self.batches, visit, told)
        found = []
        parts = self.ranks.gather([totals.cpu() for totals in own])
        for first, *others in zip(*parts, strict=True):
            for other in others:
                first.add(other)
            found.append(_evaluation(scoring, first))
        return found


def _evaluation(scoring: Scoring, totals: Totals) -> Evaluation:
    if not totals.samples:
        raise BadInput("no samples to compute the loss on", "give at least one batch")
    figures = scoring.figures(totals)
    return Evaluation(figures.pop(LOSS), figures, totals.samples, totals.row)


class _Told:
    """Passes on how much of a block is done as a number of points, each once."""

    def __init__(self, progress: Progress | None, before: int, block: int, total: int) -> None:
        self.progress, self.before, self.block, self.total = progress, before, block, total
        self.passed = 0

    def __call__(self, share: float) -> None:
        while self.passed < int(share * self.block + 1e-9):
            self.passed += 1
            if self.progress is not None:
                self.progress(self.before + self.passed, self.total)
