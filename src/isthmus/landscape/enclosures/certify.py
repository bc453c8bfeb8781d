"""Certified barriers: a bound of the loss for every t on a line, not only where it was sampled."""

from __future__ import annotations

import math
from typing import Any

import torch

from isthmus.ground import BadInput, Certificate, NotFinite, Verdict, check
from isthmus.landscape.barriers import barrier
from isthmus.landscape.enclosures.intervals import Between, Interval, enclosed, loss_between
from isthmus.landscape.enclosures.rounding import room
from isthmus.landscape.enclosures.steps import steps
from isthmus.landscape.enclosures.subdivision import Effort, Piece, refine
from isthmus.landscape.loss import Loss, Progress
from isthmus.landscape.running import evaluation_mode, weights_for
from isthmus.landscape.straight import Line


def certify(
    loss: Loss,
    line: Line,
    tolerance: float = 1e-3,
    relative: float = 0.0,
    points: int = 25,
    intervals: int = 16,
    work: int = 1024,
    memory: float = 3e7,
    progress: Progress | None = None,
) -> Certificate:
    """An upper bound of the barrier on ``line``, for every t in [0, 1], on the loss's data.

    The bound is for real arithmetic: of the loss that the model, in evaluation mode, would have if
    nothing were rounded, at the parameters and data as they are given. It is computed in float64,
    and the rounding of its own computation is part of it, under the assumptions of
    `isthmus.landscape.enclosures.rounding`. Tensors that a model makes of neither parameters nor
    real inputs, such as masks and tables of angles, are taken as they are computed.

    On an interval of t every tensor is enclosed by a function affine in t and a remainder (affine
    arithmetic in one variable, after Stolfi and de Figueiredo 1997; ReLU by the triangle of Ehlers
    2017 made a parallelogram). The affine parts of all samples are added, and the chord of the end
    losses taken off, before anything is maximised over t; only remainders add in absolute value.
    Intervals are split where the bound is largest.

    Args:
        loss: The loss; its model is run with enclosures for tensors, one interval at a time.
        line: The line between two models.
        tolerance: How near the bound must come to what the barrier is proved to reach.
        relative: So, as a share of that; the larger of the two counts.
        points: Where the barrier is sampled for the lower bound.
        intervals: Equal intervals to begin with.
        work: The most intervals to bound; the bound holds wherever the work ends.
        memory: Bytes that the tensors of one step may take, about: it sets the samples a step. The
            default keeps them in the cache of a processor, which is fastest; an accelerator wants
            more.
        progress: Called with (intervals bounded, ``work``) after each.

    Returns:
        A certificate, proved unless nothing finite was found. Its evidence: ``upper``; ``lower``,
        which the loss reaches above its chord at ``at``, proved too; ``sampled``, the barrier at
        ``points`` as computed in the loss's own precision; ``reached``, whether the tolerance was;
        ``bounded``, how many intervals were; ``samples``; ``ends``, bounds of both end losses;
        ``intervals``, the start, stop and bound of each.

    Raises:
        BadInput: ``line`` is no `Line`, a number is out of range, or the data do not fit the model.
        UnknownOperator: An operator of the model or the criterion has no enclosure.
        UnknownName: The line's Params are not of the loss's model; so ShapeMismatch.
        NotFinite: A parameter is NaN or infinite, or an end's loss is.
    """
    _check(line, tolerance, relative, intervals, work)
    effort = Effort(tolerance, relative, intervals, work)
    sampled = barrier(loss, line, points=points)
    whole = torch.inference_mode()  # so that operators arrive whole: see Enclosure
    with evaluation_mode(loss.model), whole, torch.backends.cudnn.flags(enabled=False):
        ground = _Above(loss, line, memory)
        start = ground.reached(sampled.at)
        pieces = refine(ground.bound, start, effort, progress)
    upper = max(0.0, *(piece.upper for piece in pieces))
    lower, at = max([(0.0, 0.0), (start, sampled.at), *((p.lower, p.at) for p in pieces)])
    evidence: dict[str, object] = {
        "upper": upper,
        "lower": lower,
        "sampled": sampled.height,
        "at": at,
        "reached": upper <= effort.aim(lower),
        "bounded": ground.bounded,
        "samples": ground.samples,
        "ends": [[end.bottom(0), end.top(0)] for end in ground.ends],
        "intervals": [[p.where.start, p.where.stop, p.upper] for p in pieces],
    }
    return _certificate(upper, evidence)


def _certificate(upper: float, evidence: dict[str, object]) -> Certificate:
    if not math.isfinite(upper):
        claim = "no finite bound of the barrier was found; more work may find one"
        return Certificate(claim, Verdict.UNKNOWN, evidence=evidence)
    return Certificate(
        f"the barrier is at most {_up(upper)} for every t in [0, 1], on the given data",
        Verdict.PROVED,
        evidence=evidence,
    )


def _up(value: float) -> str:
    """Four digits, rounded up."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 3) if value else 1.0
    return f"{value if float(f'{value:.4g}') >= value else value + unit / 2:.4g}"


def _check(line: Any, tolerance: float, relative: float, intervals: int, work: int) -> None:
    if not isinstance(line, Line):
        raise BadInput(
            f"a {type(line).__name__} cannot be certified, expected a Line",
            "certify each segment of a polygon as a line, or measure a barrier",
        )
    if not (tolerance >= 0 and relative >= 0):
        raise BadInput(
            f"tolerance is {tolerance} and relative {relative}, expected numbers of at least 0",
            "give how near the bound must come",
        )
    if not 1 <= intervals <= work:
        raise BadInput(
            f"intervals is {intervals} and work {work}, expected 1 <= intervals <= work",
            "work counts all intervals, the first ones too",
        )


class _Above:
    """Bounds of the loss on a line, and of how far it is above the chord of the end losses."""

    def __init__(self, loss: Loss, line: Line, memory: float) -> None:
        self._loss = loss
        for end in (line.a, line.b):
            check(end, end, source="the line")
        self._a = weights_for(loss.model, line.a, torch.float64)
        self._b = weights_for(loss.model, line.b, torch.float64)
        self._steps = list(steps(loss, self._a, memory))
        self.samples = sum(count for _, _, count in self._steps)
        self.bounded = 0
        self.ends = [self._end(0.0), self._end(1.0)]

    def at(self, t: float) -> Between:
        """Bounds of the loss at one t."""
        return self._between(Interval(t, t))

    def _end(self, t: float) -> Between:
        found = self.at(t)
        if not math.isfinite(found.top(0) - found.bottom(0)):
            raise NotFinite(
                f"the loss has no finite bound at t = {t:.0f}, where a line ends",
                "certify between models with finite losses",
            )
        return found

    def reached(self, t: float) -> float:
        """How far above the chord the loss is at one t, at least."""
        return self.at(t).bottom(0) - self.chord(t, high=True)

    def chord(self, t: float, high: bool) -> float:
        """A bound of the chord at t, from above or from below."""
        one, other = (end.top(0) if high else end.bottom(0) for end in self.ends)
        spare = room() * (abs(one) + abs(other))
        return (1 - t) * one + t * other + (spare if high else -spare)

    def bound(self, where: Interval) -> Piece:
        """Of how far above the chord the loss is on an interval: affine in t, so at its ends."""
        self.bounded += 1
        found = self._between(where)
        ts = [(s, where.centre + s * where.reach) for s in (-1, 1)]
        tops = [found.top(s) - self.chord(t, high=False) for s, t in ts]
        upper = max(math.inf if math.isnan(top) else top for top in tops)
        lower = found.bottom(0) - self.chord(where.centre, high=True)
        return Piece(where, upper, lower, where.centre, found.radius)

    def _between(self, where: Interval) -> Between:
        weights: Any = enclosed(self._a, self._b, where)
        found = [
            (count, loss_between(self._loss.model, weights, self._loss.criterion, inputs, targets))
            for inputs, targets, count in self._steps
        ]
        means = [
            math.fsum(count * part for count, part in parts) / self.samples
            for parts in (
                [(n, one.centre) for n, one in found],
                [(n, one.slope) for n, one in found],
                [(n, one.radius) for n, one in found],
            )
        ]
        spare = math.fsum(n * (abs(o.centre) + abs(o.slope) + o.radius) for n, o in found)
        return Between(means[0], means[1], means[2] + room() * spare / self.samples)
