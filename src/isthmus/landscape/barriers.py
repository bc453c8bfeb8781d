"""Barriers: how far the loss on a path rises above its ends."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

from torch import Tensor

from isthmus.ground import BadInput, Certificate, Result, Verdict
from isthmus.landscape.loss import Evaluation, Loss, Progress
from isthmus.landscape.paths import Jump, described
from isthmus.landscape.running import Batch


@final
@dataclass(frozen=True)
class Barrier(Result):
    """The loss along a path, and how far it rises.

    Attributes:
        height: Largest loss minus the chord (1 - t) L(0) + t L(1) of the end losses (Entezari et
            al. 2022); at least 0, and infinite where a sampled loss is infinite or NaN.
        height_mean_ends: Largest loss minus the mean of the end losses (Frankle et al. 2020).
        at: The t of ``height``: the first, or the first at which the loss is not finite.
        ts: Where the loss was computed.
        losses: The losses there.
        metrics: The metrics there, by name.
        ends: The losses at t = 0 and t = 1.
        chord: What ``height`` is measured from, at each of ``ts``.
        kind: The path's kind.
        jumps: The path's jumps.
        certificate: What the samples show; a sampled barrier is only a lower bound.
    """

    height: float
    height_mean_ends: float
    at: float
    ts: tuple[float, ...]
    losses: tuple[float, ...]
    metrics: Mapping[str, tuple[float, ...]]
    ends: tuple[float, float]
    chord: tuple[float, ...]
    kind: str
    jumps: tuple[Jump, ...]
    certificate: Certificate = field(repr=False)

    def __str__(self) -> str:
        words = [
            f"{len(self.ts)} points",
            f"losses {self.ends[0]:.4g} and {self.ends[1]:.4g} at the ends",
        ]
        middle = self.ts.index(self.at)
        words += [f"{n} {v[0]:.4g}, {v[middle]:.4g}, {v[-1]:.4g}" for n, v in self.metrics.items()]
        words += [f"jump of {jump}" for jump in self.jumps]
        return (
            f"barrier ≥ {self.height:.4g} at t = {self.at:.3g} of a path ({self.kind}): "
            + "; ".join(words)
        )


def barrier(
    loss: Loss,
    path: Callable[[float], Mapping[str, Tensor]],
    points: int = 25,
    recompute_statistics: Iterable[Batch] | None = None,
    progress: Progress | None = None,
) -> Barrier:
    """The barrier on ``path``, from the loss at ``points`` equal steps of t, both ends included.

    Args:
        loss: The loss, with the metrics to report beside it.
        path: t in [0, 1] to Params.
        points: How many; at least 2.
        recompute_statistics: Batches on which BatchNorm statistics are estimated at every point.
        progress: Called with (points done, points) after each.

    Raises:
        BadInput: ``points`` is below 2, or the data do not fit the model.
        UnknownName: The path's Params are not of the loss's model; so ShapeMismatch.
    """
    if points < 2:
        raise BadInput(f"points is {points}, expected at least 2", "count both ends")
    ts = [k / (points - 1) for k in range(points)]
    found = loss.along(path, ts, recompute_statistics, progress)
    return _barrier(ts, found, *described(path))


def _barrier(
    ts: Sequence[float], found: Sequence[Evaluation], kind: str, jumps: tuple[Jump, ...]
) -> Barrier:
    losses = [one.loss for one in found]
    ends = (losses[0], losses[-1])
    chord = [ends[0] if t == 0 else ends[1] if t == 1 else _mix(*ends, t) for t in ts]
    if all(map(math.isfinite, losses)):
        above = [loss - line for loss, line in zip(losses, chord, strict=True)]
        height = max(above)
        at = ts[above.index(height)]
        mean_height = max(losses) - sum(ends) / 2
    else:
        height = mean_height = math.inf
        at = next(t for t, loss in zip(ts, losses, strict=True) if not math.isfinite(loss))
    names = found[0].metrics
    return Barrier(
        height=height,
        height_mean_ends=mean_height,
        at=at,
        ts=tuple(ts),
        losses=tuple(losses),
        metrics={name: tuple(one.metrics[name] for one in found) for name in names},
        ends=ends,
        chord=tuple(chord),
        kind=kind,
        jumps=jumps,
        certificate=_certificate(height, losses, found[0].samples),
    )


def _mix(a: float, b: float, t: float) -> float:
    return (1 - t) * a + t * b


def _certificate(height: float, losses: Sequence[float], samples: int) -> Certificate:
    wild = sum(not math.isfinite(loss) for loss in losses)
    evidence: dict[str, object] = {"lower": height, "points": len(losses), "samples": samples}
    if wild:
        evidence["not_finite"] = wild
    return Certificate(
        f"the barrier is {height:.4g} at the sampled points of the path, on the given data; "
        "between them it may be higher: a sampled barrier is a lower bound",
        Verdict.TESTED,
        evidence=evidence,
    )
