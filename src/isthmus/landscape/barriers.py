"""Barriers: how far the loss on a path rises above its ends."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from isthmus.ground import BadInput, Certificate, Result, Verdict
from isthmus.landscape.evaluation.bootstrap import Bootstrap, Interval
from isthmus.landscape.evaluation.refinement import Refinement
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
        interval: Where ``height`` lies for other samples of data; None unless it was asked for, or
            where a loss is not finite.
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
    interval: Interval | None = None

    def __str__(self) -> str:
        words = [
            f"{len(self.ts)} points",
            f"losses {self.ends[0]:.4g} and {self.ends[1]:.4g} at the ends",
        ]
        middle = self.ts.index(self.at)
        words += [f"{n} {v[0]:.4g}, {v[middle]:.4g}, {v[-1]:.4g}" for n, v in self.metrics.items()]
        words += [f"jump of {jump}" for jump in self.jumps]
        if self.interval is not None:
            words.insert(0, f"{self.interval}")
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
    refine: Refinement | None = None,
    interval: Bootstrap | None = None,
) -> Barrier:
    """The barrier on ``path``, from the loss at ``points`` equal steps of t, both ends included.

    Args:
        loss: The loss, with the metrics to report beside it.
        path: t in [0, 1] to Params.
        points: How many; at least 2.
        recompute_statistics: Batches on which BatchNorm statistics are estimated at every point.
        progress: Called with (points done, points) after each; with ``refine`` the second is what
            it takes at most.
        refine: How further points are looked at around the highest.
        interval: How the confidence interval of the height is found, from the losses of single
            samples, which are kept: points x samples in float64.

    Raises:
        BadInput: ``points`` is below 2, or the data do not fit the model.
        UnknownName: The path's Params are not of the loss's model; so ShapeMismatch.
    """
    if points < 2:
        raise BadInput(f"points is {points}, expected at least 2", "count both ends")
    again = recompute_statistics
    if again is not None and iter(again) is again:
        again = tuple(again)
    new = [k / (points - 1) for k in range(points)]
    total = points + (2 * refine.rounds(new[1]) if refine is not None else 0)
    found: dict[float, Evaluation] = {}
    while new:
        before = len(found)

        def told(done: int, _: int, before: int = before) -> None:
            if progress is not None:
                progress(before + done, total)

        found |= zip(new, loss.along(path, new, again, told, interval is not None), strict=True)
        found = dict(sorted(found.items()))
        ts, above = list(found), _above(found)[0]
        new = refine.further(ts, above) if refine is not None else []
    if progress is not None and len(found) < total:
        progress(total, total)
    return _barrier(found, *described(path), interval)


def _above(found: Mapping[float, Evaluation]) -> tuple[list[float], list[float]]:
    """How far the losses are above the chord of the end losses, and the chord."""
    losses = [one.loss for one in found.values()]
    ends = (losses[0], losses[-1])
    chord = [ends[0] if t == 0 else ends[1] if t == 1 else _mix(*ends, t) for t in found]
    return [loss - line for loss, line in zip(losses, chord, strict=True)], chord


def _barrier(
    found: Mapping[float, Evaluation],
    kind: str,
    jumps: tuple[Jump, ...],
    interval: Bootstrap | None,
) -> Barrier:
    ts, evaluations = list(found), list(found.values())
    losses = [one.loss for one in evaluations]
    ends = (losses[0], losses[-1])
    above, chord = _above(found)
    finite = all(map(math.isfinite, losses))
    if finite:
        height = max(above)
        at = ts[above.index(height)]
        mean_height = max(losses) - sum(ends) / 2
    else:
        height = mean_height = math.inf
        at = next(t for t, loss in zip(ts, losses, strict=True) if not math.isfinite(loss))
    names = evaluations[0].metrics
    return Barrier(
        height=height,
        height_mean_ends=mean_height,
        at=at,
        ts=tuple(ts),
        losses=tuple(losses),
        metrics={name: tuple(one.metrics[name] for one in evaluations) for name in names},
        ends=ends,
        chord=tuple(chord),
        kind=kind,
        jumps=jumps,
        certificate=_certificate(height, losses, evaluations[0].samples),
        interval=_interval(found, interval) if interval is not None and finite else None,
    )


def _interval(found: Mapping[float, Evaluation], bootstrap: Bootstrap) -> Interval:
    """The interval of the height over resamples of the data."""
    each = torch.stack([one.each for one in found.values() if one.each is not None])
    ts = torch.tensor(list(found), dtype=each.dtype)

    def heights(losses: Tensor) -> Tensor:
        first, last = losses[:, :1], losses[:, -1:]
        return (losses - (1 - ts) * first - ts * last).amax(1)

    return bootstrap(each, heights)


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
