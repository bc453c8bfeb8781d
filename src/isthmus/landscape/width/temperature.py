"""Temperature: the scale of a classifier's scores at which its cross entropy is least."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, final

import torch
from torch import Tensor

from isthmus.ground import BadInput, Result
from isthmus.landscape.evaluation.engine import Engine, Step
from isthmus.landscape.evaluation.metrics import Criterion, require_classes
from isthmus.landscape.loss import Loss
from isthmus.landscape.running import weights_for


@final
@dataclass(frozen=True)
class Temperature(Result):
    """By what the scores of a model are multiplied.

    Attributes:
        inverse: The inverse temperature, 1 / T.
        before: Mean cross entropy with the scores as they are.
        after: The same with scores times ``inverse``; no other factor within the bounds gives less.
        slope: Derivative of the loss by the inverse temperature there: 0 up to rounding, but for a
            model whose best factor is one of the bounds.
        samples: On how many it was found.
    """

    inverse: float
    before: float
    after: float
    slope: float
    samples: int

    def scaled(self, criterion: Criterion) -> Criterion:
        """A criterion of the scores at this temperature."""

        def hotter(outputs: Any, targets: Any) -> Any:
            return criterion(self.inverse * outputs, targets)

        return hotter

    def __str__(self) -> str:
        return (
            f"inverse temperature {self.inverse:.4g}: cross entropy {self.before:.4g} before, "
            f"{self.after:.4g} after, on {self.samples} samples"
        )


def calibrate_temperature(
    loss: Loss, params: Mapping[str, Tensor], at_most: float = 1e4
) -> Temperature:
    """The inverse temperature at which the cross entropy of ``params`` is least.

    ``L(β) = mean log Σ_k exp β (z_k - z_y)`` is convex in β, so that a bracketed Newton iteration
    finds its only minimum in [0, ``at_most``] to rounding. Accuracy is untouched. Temperature
    scaling is due to Guo et al. 2017; Ito et al. 2026 use it on merged wide networks, whose scores
    are as good as those of their parents and much smaller.

    Args:
        loss: Its model, and its batches, on which β is found: samples that were held out. Targets
            are class indices; the loss's own criterion is not used.
        params: Where.
        at_most: The largest β. A model that is right on every sample has no finite best one.

    Raises:
        BadInput: The model gives no scores by class, or ``at_most`` is not positive.
        UnknownName: ``params`` are not of this model; so ShapeMismatch.
    """
    if at_most <= 0:
        raise BadInput(f"at_most is {at_most}, expected a positive number", "1e4 is plenty")
    leads = _leads(loss, params)
    inverse = _minimum(lambda factor: _slopes(leads, factor), at_most)
    before, after = (float((f * leads).logsumexp(1).mean()) for f in (1.0, inverse))
    return Temperature(inverse, before, after, _slopes(leads, inverse)[0], len(leads))


@final
@dataclass(frozen=True)
class CalibratedBarrier(Result):
    """A barrier with the scores as they are, and with those of every point at its best temperature.

    Attributes:
        ts: Where.
        losses: The loss there.
        calibrated: The loss there at the point's own best temperature.
        inverses: The inverse temperatures, each found on held-out samples.
    """

    ts: tuple[float, ...]
    losses: tuple[float, ...]
    calibrated: tuple[float, ...]
    inverses: tuple[float, ...]

    @property
    def height(self) -> float:
        """How far ``losses`` rise above their chord."""
        return _height(self.ts, self.losses)

    @property
    def calibrated_height(self) -> float:
        """How far ``calibrated`` rises above its chord: both ends are calibrated too."""
        return _height(self.ts, self.calibrated)

    def __str__(self) -> str:
        middle = len(self.ts) // 2
        return (
            f"barrier ≥ {self.height:.4g}, calibrated ≥ {self.calibrated_height:.4g} on "
            f"{len(self.ts)} points; inverse temperature {self.inverses[middle]:.4g} at "
            f"t = {self.ts[middle]:.3g}"
        )


def calibrated_barrier(
    loss: Loss,
    path: Callable[[float], Mapping[str, Tensor]],
    held_out: Loss,
    points: int = 11,
) -> CalibratedBarrier:
    """The barrier on a path with and without temperatures (Ito et al. 2026).

    Args:
        loss: Cross entropy, or another loss of scores by class.
        path: t to Params.
        held_out: The same model on the samples on which temperatures are found.
        points: Equal steps of t, both ends included.

    Raises:
        BadInput: ``points`` is below 2, or a model gives no scores by class.
        UnknownName: The path's Params are not of the loss's model; so ShapeMismatch.
    """
    if points < 2:
        raise BadInput(f"points is {points}, expected at least 2", "count both ends")
    ts = tuple(k / (points - 1) for k in range(points))
    found = [calibrate_temperature(held_out, path(t)) for t in ts]
    calibrated = tuple(
        replace(loss, criterion=one.scaled(loss.criterion))(path(t))
        for t, one in zip(ts, found, strict=True)
    )
    losses = tuple(one.loss for one in loss.along(path, ts))
    return CalibratedBarrier(ts, losses, calibrated, tuple(one.inverse for one in found))


def _height(ts: tuple[float, ...], losses: tuple[float, ...]) -> float:
    first, last = losses[0], losses[-1]
    return max(value - (1 - t) * first - t * last for t, value in zip(ts, losses, strict=True))


def _leads(loss: Loss, params: Mapping[str, Tensor]) -> Tensor:
    """By how much every class leads the true one, float64 ``(samples, classes)``."""
    rows: list[Tensor] = []

    def visit(step: Step) -> None:
        try:
            axis = require_classes(step.outputs, step.targets)
        except ValueError as error:
            raise BadInput(
                f"no temperature without classes: {error}", "give a classifier and its labels"
            ) from error
        scores = step.outputs.double().movedim(axis, -1).flatten(0, -2)
        rows.append(scores - scores.gather(1, step.targets.flatten()[:, None]))

    engine = Engine(loss.model, loss.dtype, loss.micro_batch, loss.memory)
    weights = weights_for(loss.model, params, loss.dtype, loss.device)
    engine.over([weights], loss.batches, visit, lambda _: None)
    return torch.cat(rows)


def _slopes(leads: Tensor, factor: float) -> tuple[float, float]:
    """First and second derivative of the loss by the inverse temperature."""
    shares = (factor * leads).softmax(1)
    mean = (shares * leads).sum(1)
    spread = (shares * leads.square()).sum(1) - mean.square()
    return float(mean.mean()), float(spread.mean())


def _minimum(slopes: Callable[[float], tuple[float, float]], at_most: float) -> float:
    """Where a convex function is least on [0, at_most]: Newton's steps, inside a bracket."""
    if slopes(0.0)[0] >= 0:
        return 0.0
    low, high = 0.0, 1.0
    while slopes(high)[0] < 0:
        if high >= at_most:
            return at_most
        low, high = high, min(2 * high, at_most)
    place = (low + high) / 2
    for _ in range(200):
        slope, curvature = slopes(place)
        low, high = (place, high) if slope < 0 else (low, place)
        step = place - slope / curvature if curvature > 0 else low
        new = step if low < step < high else (low + high) / 2
        if new == place or abs(new - place) <= 1e-15 * place:
            break
        place = new
    return place
