"""instability: from which step on the noise of a training no longer decides where it ends."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from typing import Protocol, final

from torch import Tensor

from isthmus.ground import BadInput, Params, Result
from isthmus.landscape.barriers import Barrier, barrier
from isthmus.landscape.curves.many.star import Match
from isthmus.landscape.loss import Loss, Progress
from isthmus.landscape.straight import Line


class Trainer(Protocol):
    """A training that can be cut at any step, and gone on with from there with another noise."""

    def __call__(self, start: Params, seed: int, begin: int, end: int) -> Params:
        """The Params after step ``end``, from those after step ``begin``.

        Args:
            start: Params after ``begin`` steps; they stay as they are.
            seed: Of the noise: the order of the samples, augmentation, dropout. Two calls with one
                seed, one going on where the other ended, are to do what one call does.
            begin: Steps taken before.
            end: Steps taken after; where it is ``begin``, ``start`` comes back.
        """


@final
@dataclass(frozen=True)
class Children(Result):
    """What became of copies of one checkpoint.

    Attributes:
        step: Steps that they share.
        instability: How far the error on the line between two of them rises above the mean of
            their errors, the mean of all pairs.
        aligned: The same with the second of every pair aligned to the first; None if not asked for.
        barriers: On the lines, a pair after the other.
        aligned_barriers: On the lines after alignment.
    """

    step: int
    instability: float
    aligned: float | None
    barriers: tuple[Barrier, ...] = field(repr=False)
    aligned_barriers: tuple[Barrier, ...] = field(repr=False)


@final
@dataclass(frozen=True)
class Instability(Result):
    """How much the noise of a training matters after every one of some steps.

    Attributes:
        rows: By step, in order.
        threshold: The instability below which a step is stable.
    """

    rows: tuple[Children, ...]
    threshold: float

    @property
    def first_stable(self) -> int | None:
        """The first step from which on all are stable; None where the last is not."""
        return _first([(row.step, row.instability) for row in self.rows], self.threshold)

    @property
    def first_stable_aligned(self) -> int | None:
        """The same of children that are aligned; None too where they were not."""
        rows = [(row.step, math.inf if row.aligned is None else row.aligned) for row in self.rows]
        return _first(rows, self.threshold)

    def __str__(self) -> str:
        stable = self.first_stable
        words = "no step is stable" if stable is None else f"stable from step {stable} on"
        lines = [f"{words} (error on the line below {self.threshold:.3g} above its ends)"]
        aligned = any(row.aligned is not None for row in self.rows)
        lines.append("  step  instability     loss barrier" + "     aligned" * aligned)
        for row in self.rows:
            height = math.fsum(one.height for one in row.barriers) / len(row.barriers)
            text = f"{row.step:6d}{row.instability:13.4f}{height:17.4f}"
            lines.append(text + ("" if row.aligned is None else f"{row.aligned:12.4f}"))
        return "\n".join(lines)


def instability(
    train: Trainer,
    start: Mapping[str, Tensor],
    loss: Loss,
    steps: Sequence[int],
    end: int,
    seed: int = 0,
    children: Sequence[int] = (1, 2),
    metric: str | None = "accuracy",
    points: int = 30,
    threshold: float = 0.02,
    align: Match | None = None,
    progress: Progress | None = None,
) -> Instability:
    """Copy a training after some steps, go on with different noise, and look between the copies.

    The instability analysis of Frankle et al. 2020: one training from ``start``; after each of
    ``steps`` its Params are copied and trained to the ``end`` with other noise; the error on the
    line between two copies, at 30 points, minus the mean of their errors is the instability of that
    step, and below 2 % it counts as stable: from there on the noise decides no longer in which
    linearly connected region the training ends. That copies may be aligned first is ours: it tells
    whether they differ by a symmetry alone.

    Args:
        train: The training loop.
        start: Params before the first step.
        loss: Where the error is measured, with its metrics.
        steps: After which copies are made, in rising order.
        end: How many steps a training has.
        seed: Of the noise of the shared part.
        children: Seeds of the copies; at least two, and all pairs are looked at.
        metric: The figure of the loss's metrics whose loss is the error: more of it is better. None
            takes the loss itself, and ``threshold`` is in its units.
        points: On every line.
        threshold: Below it a step is stable.
        align: Moves one copy near to another by a symmetry, as ``lambda b, a: isthmus.align(b,
            to=a, symmetry=symmetry).params``.
        progress: Called with (copies trained, copies) after each.

    Raises:
        BadInput: There are no steps, they do not rise from 0 on to the end, there are fewer than
            two children, or the loss has no such metric.
        UnknownName: ``start`` is not of the loss's model; so ShapeMismatch.
    """
    _require(steps, end, children)
    _require_metric(loss, start, metric)
    rows: list[Children] = []
    shared, done = dict(start), 0
    for step in steps:
        shared, done = train(shared, seed, done, step), step
        ends = []
        for child in children:
            ends.append(train(shared, child, step, end))
            if progress is not None:
                progress(len(rows) * len(children) + len(ends), len(steps) * len(children))
        pairs = list(combinations(ends, 2))
        barriers = tuple(barrier(loss, Line(a, b), points) for a, b in pairs)
        near = () if align is None else tuple(Line(a, align(b, a)) for a, b in pairs)
        moved = tuple(barrier(loss, line, points) for line in near)
        aligned = _mean(moved, metric) if moved else None
        rows.append(Children(step, _mean(barriers, metric), aligned, barriers, moved))
    return Instability(tuple(rows), threshold)


def _require(steps: Sequence[int], end: int, children: Sequence[int]) -> None:
    if not steps or any(a >= b for a, b in pairwise(steps)) or steps[0] < 0 or steps[-1] > end:
        raise BadInput(
            f"copies after steps {list(steps)} of a training of {end}",
            "give them in rising order, from 0 on to the end",
        )
    if len(set(children)) < 2:
        raise BadInput(
            f"children of the seeds {list(children)}", "give at least two, none of them twice"
        )


def _require_metric(loss: Loss, start: Mapping[str, Tensor], metric: str | None) -> None:
    """Before anything is trained."""
    known = loss.metrics_at(start)
    if metric is not None and metric not in known:
        raise BadInput(
            f"the loss has no metric {metric!r}, expected one of {sorted(known)}",
            "name one, or None for the loss itself",
        )


def _mean(barriers: Sequence[Barrier], metric: str | None) -> float:
    return math.fsum(_rise(one, metric) for one in barriers) / len(barriers)


def _rise(found: Barrier, metric: str | None) -> float:
    """The largest error on a line minus the mean of the end errors."""
    if metric is None:
        return found.height_mean_ends
    values = found.metrics[metric]
    return (values[0] + values[-1]) / 2 - min(values)


def _first(rows: Sequence[tuple[int, float]], threshold: float) -> int | None:
    stable = None
    for step, value in reversed(rows):
        if not value < threshold:
            break
        stable = step
    return stable
