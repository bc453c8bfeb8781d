"""convex_hull: the loss between many minima at once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import final

import torch
from torch import Tensor

from isthmus.ground import BadInput, Params, Result
from isthmus.landscape.curves.many.star import dirichlet
from isthmus.landscape.curves.mixing import mixture
from isthmus.landscape.evaluation.bootstrap import Bootstrap, Interval
from isthmus.landscape.loss import Evaluation, Loss, Progress
from isthmus.landscape.paths import require_alike
from isthmus.landscape.running import Batch


@final
@dataclass(frozen=True, eq=False)
class ConvexHull(Result):
    """Losses at random points of the convex hull of minima, and on the lines of all pairs.

    A height is a loss minus the mixture ``Σ w_k L(θ_k)`` of the minima's losses with the weights of
    its point: on a line that is the barrier of Entezari et al. 2022.

    Attributes:
        minima: The corners.
        ends: Their losses.
        weights: Of the points inside, ``(samples, minima)``, float64; every row sums to 1.
        losses: There.
        metrics: The metrics there, by name.
        height: The largest height of the points inside; at least 0, and infinite where a loss is
            not finite. As every sampled maximum it is a lower bound.
        highest: The weights of that point.
        edges: The barriers of the lines, ``(minima, minima)``.
        centre: The loss at the mean of all minima.
        mean_interval: Where the mean of the losses inside lies for other samples of data; None
            unless asked for, or where a loss is not finite.
        interval: The same for the height.
    """

    minima: tuple[Mapping[str, Tensor], ...] = field(repr=False, metadata={"json": False})
    ends: tuple[float, ...]
    weights: Tensor = field(repr=False)
    losses: tuple[float, ...] = field(repr=False)
    metrics: Mapping[str, tuple[float, ...]] = field(repr=False)
    height: float
    highest: tuple[float, ...]
    edges: Tensor
    centre: float
    mean_interval: Interval | None = None
    interval: Interval | None = None

    @property
    def mean(self) -> float:
        """The mean of the losses inside."""
        return math.fsum(self.losses) / len(self.losses)

    @property
    def largest_edge(self) -> float:
        """The highest barrier of the lines."""
        return float(self.edges.max())

    def point(self, sample: int) -> Params:
        """One of the points inside."""
        return mixture(self.minima, self.weights[sample].tolist())

    def __str__(self) -> str:
        interval = "" if self.interval is None else f", {self.interval}"
        return (
            f"hull of {len(self.minima)} minima: barrier ≥ {self.height:.4g} at "
            f"{len(self.losses)} points inside{interval}; ≥ {self.largest_edge:.4g} on lines; "
            f"losses {min(self.ends):.4g} to {max(self.ends):.4g} at the minima, "
            f"{self.mean:.4g} on the mean inside, {self.centre:.4g} in the centre"
        )


def convex_hull(
    minima: Sequence[Mapping[str, Tensor]],
    loss: Loss,
    samples: int = 100,
    seed: int = 0,
    points: int = 25,
    recompute_statistics: Iterable[Batch] | None = None,
    interval: Bootstrap | None = None,
    progress: Progress | None = None,
) -> ConvexHull:
    """The loss at random points of the convex hull of minima (Yunis et al. 2022).

    Weights are uniform, Dirichlet(1). Minima from one early iterate, or aligned ones, may be joined
    two by two and yet not all together: then ``height`` is above ``largest_edge``.

    Args:
        minima: At least two.
        loss: The loss, with the metrics to report beside it.
        samples: How many points inside.
        seed: Fixes them.
        points: On the line of every pair, ends included; at least 3.
        recompute_statistics: Batches on which BatchNorm statistics are estimated at every point.
        interval: How the confidence intervals are found, from the losses of single samples, which
            are kept: points x samples in float64.
        progress: Called with (points done, points) after each.

    Raises:
        BadInput: There are fewer than two minima, no samples, or fewer than three points on a
            line; the data do not fit.
        UnknownName: The minima are not of the loss's model; so ShapeMismatch and DtypeMismatch.
    """
    for name, count, least in (
        ("minima", len(minima), 2),
        ("samples", samples, 1),
        ("points", points, 3),
    ):
        if count < least:
            raise BadInput(f"{count} {name}, expected at least {least}", f"give more {name}")
    for other in minima[1:]:
        require_alike(minima[0], other)
    generator = torch.Generator().manual_seed(seed)
    inside = torch.stack([dirichlet(len(minima), generator) for _ in range(samples)])
    corners = torch.eye(len(minima), dtype=torch.float64)
    weights = torch.cat([corners, corners.mean(0)[None], _edges(corners, points), inside])
    found = loss.along(
        lambda k: mixture(minima, weights[int(k)].tolist()),
        range(len(weights)),
        recompute_statistics,
        progress,
        interval is not None,
    )
    return _hull(tuple(minima), weights, samples, found, interval)


def _edges(corners: Tensor, points: int) -> Tensor:
    """The weights inside the lines, pair after pair: ``(pairs (points - 2), corners)``."""
    ts = torch.linspace(0, 1, points, dtype=torch.float64)[1:-1, None]
    rows = [(1 - ts) * corners[i] + ts * corners[j] for i, j in _pairs(len(corners))]
    return torch.cat(rows)


def _pairs(count: int) -> list[tuple[int, int]]:
    return list(combinations(range(count), 2))


def _hull(
    minima: tuple[Mapping[str, Tensor], ...],
    weights: Tensor,
    samples: int,
    found: Sequence[Evaluation],
    bootstrap: Bootstrap | None,
) -> ConvexHull:
    count, inner = len(minima), found[-samples:]
    losses = torch.tensor([one.loss for one in found], dtype=torch.float64)
    finite = bool(losses.isfinite().all())
    wild = dict.fromkeys(("nan", "posinf", "neginf"), math.inf)
    above = (losses - weights @ losses[:count]).nan_to_num(**wild)
    edges = torch.zeros(count, count, dtype=torch.float64)
    lines = above[count + 1 : -samples].reshape(len(_pairs(count)), -1)
    for (i, j), heights in zip(_pairs(count), lines, strict=True):
        edges[i, j] = edges[j, i] = heights.amax().clamp(min=0)
    own = weights[-samples:]
    mean, height = None, None
    if bootstrap is not None and finite:
        each = torch.stack([one.each for one in (*found[:count], *inner) if one.each is not None])
        mean = bootstrap(each, lambda means: means[:, count:].mean(1))
        height = bootstrap(
            each, lambda means: (means[:, count:] - means[:, :count] @ own.T).amax(1).clamp(min=0)
        )
    return ConvexHull(
        minima=minima,
        ends=tuple(losses[:count].tolist()),
        weights=own,
        losses=tuple(one.loss for one in inner),
        metrics={n: tuple(one.metrics[n] for one in inner) for n in inner[0].metrics},
        height=max(0.0, float(above[-samples:].max())),
        highest=tuple(own[int(above[-samples:].argmax())].tolist()),
        edges=edges,
        centre=float(losses[count]),
        mean_interval=mean,
        interval=height,
    )
