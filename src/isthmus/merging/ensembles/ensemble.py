"""Ensemble: several models of one architecture, which predict their mean."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, final

import torch
from torch import Tensor

from isthmus.ground import BadInput, Params
from isthmus.landscape import CalibrationError, Evaluation, Loss
from isthmus.landscape.evaluation.engine import Engine, Step
from isthmus.landscape.evaluation.metrics import Criterion, Metric, accuracy, class_axis
from isthmus.landscape.evaluation.samples import cut
from isthmus.landscape.evaluation.scores import LOSS, Scoring, Totals, averages
from isthmus.landscape.running import Inputs, evaluation_mode, pair, place, run, weights_for
from isthmus.merging.ensembles.scores import EnsembleScores

_DISAGREEMENT, _VARIANCE = "disagreement", "variance"


@final
@dataclass(frozen=True, eq=False)
class Ensemble:
    """The mean of what members predict: probabilities where targets are classes, else outputs.

    The mean probabilities go to the criterion as their logarithms, which are scores like any
    other: softmax gives them back, and cross entropy of them is their negative log likelihood.

    Args:
        loss: Model, data and criterion; with its dtype, memory, device and processes. Its metrics
            are reported; None means accuracy and calibration error where targets are classes.
        members: Params of the loss's model, at least one.

    Raises:
        BadInput: There is no member.
    """

    loss: Loss
    members: Sequence[Mapping[str, Tensor]] = field(repr=False)

    def __post_init__(self) -> None:
        if not self.members:
            raise BadInput("an ensemble without members", "give at least one")

    def predict(self, inputs: Inputs) -> Tensor:
        """The mean prediction: probabilities over the dimension of the classes, or outputs.

        Raises:
            BadInput: The model cannot take the inputs, or returns something else than a tensor.
            UnknownName: A member is of another model; so ShapeMismatch.
        """
        with torch.no_grad(), evaluation_mode(self.loss.model):
            said = [_tensor(self._run(one, inputs)) for one in self._points]
        return self._predictions(torch.stack(said)).mean(0)

    def evaluate(self) -> EnsembleScores:
        """Scores of the ensemble and of every member, in one pass over the data.

        Raises:
            BadInput: The data do not fit the model or the criterion, or the model returns something
                else than a tensor.
            UnknownName: A member is of another model; so ShapeMismatch.
        """
        loss = self.loss
        is_mean = partial(averages, loss.criterion)
        engine = Engine(loss.model, loss.dtype, loss.micro_batch, loss.memory, loss.ranks, is_mean)
        tally = _Tally(self, Scoring(loss.criterion, self._metrics))
        engine.over(self._points, loss.batches, tally.visit, lambda _: None)
        return tally.scores()

    @cached_property
    def _points(self) -> list[Params]:
        loss = self.loss
        return [weights_for(loss.model, one, loss.dtype, loss.device) for one in self.members]

    @cached_property
    def _classes(self) -> int | None:
        """The dimension of the outputs that holds the classes, as the first sample says."""
        for index, batch in enumerate(self.loss.batches):
            inputs, targets = (cut(part, slice(1)) for part in pair(batch, index))
            with torch.no_grad(), evaluation_mode(self.loss.model):
                return class_axis(self._run(self._points[0], inputs), targets)
        raise BadInput("no samples to compute the loss on", "give at least one batch")

    @property
    def _metrics(self) -> Mapping[str, Criterion | Metric]:
        if self.loss.metrics is not None:
            return self.loss.metrics
        if self._classes is None:
            return {}
        return {"accuracy": accuracy, "calibration error": CalibrationError()}

    def _run(self, weights: Mapping[str, Tensor], inputs: Inputs) -> Any:
        device = next(iter(weights.values())).device
        return run(self.loss.model, weights, place(inputs, device, self.loss.dtype))

    def _predictions(self, outputs: Tensor) -> Tensor:
        """What is averaged, ``(members, ...)``."""
        return outputs if self._classes is None else outputs.softmax(self._classes + 1)

    def pooled(self, outputs: Tensor) -> Tensor:
        """Outputs of the ensemble, for the criterion, from those of members, ``(members, ...)``."""
        if self._classes is None:
            return outputs.mean(0)
        return outputs.log_softmax(self._classes + 1).logsumexp(0) - math.log(len(outputs))

    def apart(self, outputs: Tensor) -> dict[str, Tensor]:
        """How much members differ in one step, from their outputs, ``(members, ...)``."""
        variance = self._predictions(outputs).double().var(0, correction=0).mean()
        if self._classes is None:
            return {_VARIANCE: variance, _DISAGREEMENT: torch.zeros_like(variance)}
        chosen = outputs.argmax(self._classes + 1).flatten(1)
        pairs = torch.combinations(torch.arange(len(chosen), device=chosen.device))
        differ = (chosen[pairs[:, 0]] != chosen[pairs[:, 1]]).double()
        return {_VARIANCE: variance, _DISAGREEMENT: differ.sum() / max(1, differ.numel())}


class _Tally:
    """Sums over the steps of an evaluation."""

    def __init__(self, ensemble: Ensemble, scoring: Scoring) -> None:
        self.ensemble, self.scoring = ensemble, scoring
        self.totals = [Totals() for _ in range(len(ensemble.members) + 1)]
        self.held: list[Tensor] = []

    def visit(self, step: Step) -> None:
        """Of one member; the engine visits them in turn."""
        self.held.append(_tensor(step.outputs))
        self.totals[step.point].add(self.scoring.of(step))
        if len(self.held) == len(self.ensemble.members):
            outputs = torch.stack(self.held)
            self.held.clear()
            pooled = self.scoring.of(replace(step, outputs=self.ensemble.pooled(outputs)))
            apart = self.ensemble.apart(outputs)
            pooled.sums |= {name: value * step.samples for name, value in apart.items()}
            self.totals[-1].add(pooled)

    def scores(self) -> EnsembleScores:
        """What the sums of all processes say."""
        parts = self.ensemble.loss.ranks.gather([totals.cpu() for totals in self.totals])
        found = []
        for first, *others in zip(*parts, strict=True):
            for other in others:
                first.add(other)
            if not first.samples:
                raise BadInput("no samples to compute the loss on", "give at least one batch")
            found.append((self.scoring.figures(first), first.samples))
        figures, samples = found.pop()
        variance, disagreement = figures.pop(_VARIANCE), figures.pop(_DISAGREEMENT)
        members = tuple(Evaluation(each.pop(LOSS), each, count) for each, count in found)
        ensemble = Evaluation(figures.pop(LOSS), figures, samples)
        return EnsembleScores(ensemble, members, disagreement, math.sqrt(max(0.0, variance)))


def _tensor(outputs: Any) -> Tensor:
    if not isinstance(outputs, Tensor):
        raise BadInput(
            f"the model returns a {type(outputs).__name__}, expected a tensor",
            "give a model whose outputs are one tensor",
        )
    return outputs
