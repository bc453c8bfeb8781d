"""Distances between weights in the metric of what they are multiplied with.

A layer ``W x + b`` of which the weights differ by D and the biases by d changes its outputs by
``E|Dx + d|² = tr(D C Dᵀ) + |D μ + d|²``, where μ is the mean of x and C its covariance: the trace
of mathematics.md 2.5 with the augmented second moment ``[[Σ, μ], [μᵀ, 1]]``, its square completed.
Without a bias C is the second moment Σ itself, and there is no second part.
"""

from __future__ import annotations

import itertools
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from isthmus.algebra.groups import Character
from isthmus.alignment.matching.problem import Occurrence, Problem
from isthmus.ground.matrices import factor


@dataclass(frozen=True, eq=False)
class Metric:
    """What one weight is multiplied with.

    Attributes:
        weight: the parameter.
        bias: the parameter that is added.
        first: whether x runs along the first dimension of the weight, else along all others.
        spread: C, ``(in, in)``; ``(in,)`` where it is diagonal, as of tokens.
        mean: μ, ``(in,)``; zero where there is no bias.
    """

    weight: str
    bias: str | None
    first: bool
    spread: Tensor
    mean: Tensor

    @cached_property
    def root(self) -> Tensor:
        """``C^½``: R with ``R Rᵀ = C``."""
        return self.spread.clamp_min(0).sqrt() if self.spread.dim() == 1 else factor(self.spread)

    @cached_property
    def bounds(self) -> tuple[float, float]:
        """The mean eigenvalue of Σ = C + μμᵀ, and a bound of the largest."""
        if self.spread.dim() == 1:
            least, most = float(self.spread.mean()), float(self.spread.max())
        else:
            second = self.spread + torch.outer(self.mean, self.mean)
            # Both norms are at least the largest eigenvalue.
            sums = float(second.abs().sum(1).max())
            least, most = float(second.diagonal().mean()), min(sums, float(second.norm()))
        return max(least, 1e-300), max(most, 1e-300)

    def flat(self, weight: Tensor) -> Tensor:
        """``(out, in)``."""
        return weight.flatten(1).mT if self.first else weight.flatten(1)

    def like(self, flat: Tensor, weight: Tensor) -> Tensor:
        """The inverse of `flat`."""
        return (flat.mT if self.first else flat).reshape(weight.shape)

    def times(self, flat: Tensor, matrix: Tensor) -> Tensor:
        """``W M`` for one of the matrices above."""
        return flat * matrix if matrix.dim() == 1 else flat @ matrix


@dataclass
class MetricProblem(Problem):
    """`Problem`, with weights in their metrics; all else counts as if x were the number 1.

    As an output of a weight, a space sees ``W C^½``. As an input, the cost is quadratic in what it
    does; there ``λ|T - V|²`` with ``T = V + (residual) / λ`` stands for it: an upper bound that
    touches where λ is the largest eigenvalue of Σ, bolder where it is smaller. With Σ = 1 this is
    `Problem`.

    Attributes:
        metrics: one for each weight that has one.
        pace: λ, from the mean eigenvalue (0) to the largest (1).
    """

    metrics: Sequence[Metric] = ()
    pace: float = 0.0
    _kept: dict[tuple[str, str], Tensor] = field(init=False, default_factory=dict)

    @cached_property
    def _of(self) -> Mapping[str, Metric]:
        """The metric of each weight and of each bias."""
        weights = {m.weight: m for m in self.metrics}
        return weights | {m.bias: m for m in self.metrics if m.bias is not None}

    def taken(self, space: str) -> bool:
        """Whether a space is an input of a weight that has a metric."""
        for place in self.places[space]:
            metric = self._of.get(place.name)
            if metric and place.name == metric.weight and (_axis(place) == 0) == metric.first:
                return True
        return False

    def rows(
        self, space: str, known: Container[str] | None = None
    ) -> list[tuple[Character, Tensor, Tensor]]:
        """Rows whose distance is that in the metrics, or stands for it."""
        out = []
        for place in self.places[space]:
            if known is None or place.lies_within(known):
                target, moved = self._pair(place)
                out.append((place.character, place.rows(target), place.rows(moved)))
        return out

    def _pair(self, place: Occurrence) -> tuple[Tensor, Tensor]:
        """What a place compares: of the target and of the moved, in the shape of the parameter."""
        metric, moved = self._of.get(place.name), self.moved[place.name]
        if metric is None:
            return self.target[place.name], moved
        if place.name == metric.bias:
            return self._shift(metric, self.target), self._shift(metric, self.moved)
        if (_axis(place) == 0) != metric.first:
            root = metric.root.to(moved.dtype)
            seen = metric.like(metric.times(metric.flat(moved), root), moved)
            return self._seen(metric), seen
        low, high = metric.bounds
        scale = low * (high / low) ** self.pace
        target = moved + self.weighed(self._around(metric))[metric.weight] / scale
        return scale**0.5 * target, scale**0.5 * moved

    def _seen(self, metric: Metric) -> Tensor:
        """``W C^½`` of the target."""
        key = (metric.weight, "seen")
        if key not in self._kept:
            weight = self.target[metric.weight]
            root = metric.root.to(weight.dtype)
            self._kept[key] = metric.like(metric.times(metric.flat(weight), root), weight)
        return self._kept[key]

    def _shift(self, metric: Metric, of: Mapping[str, Tensor]) -> Tensor:
        """``b + W μ``."""
        weight = of[metric.weight]
        return of[str(metric.bias)] + metric.flat(weight) @ metric.mean.to(weight.dtype)

    def _around(self, metric: Metric) -> dict[str, Tensor]:
        """What target and moved differ by in the layer of a metric."""
        names = [n for n in (metric.weight, metric.bias) if n is not None]
        return {n: self.target[n] - self.moved[n] for n in names}

    def condensed(self) -> Problem:
        """Itself: in a metric, squares do not add up entry by entry."""
        return self

    @property
    def coupled(self) -> Iterable[Sequence[str]]:
        """A weight and its bias together, all else alone."""
        for name in self.a:
            metric = self._of.get(name)
            if metric is None or name == metric.weight:
                yield [name] if metric is None or metric.bias is None else [name, metric.bias]

    def weighed(self, change: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """``D C + (d + D μ) μᵀ`` for weights and ``d + D μ`` for biases; all else as it is."""
        out = dict(change)
        for metric in self.metrics:
            if metric.weight not in change:
                continue
            gap = change[metric.weight]
            felt = metric.times(metric.flat(gap), metric.spread.to(gap.dtype))
            if metric.bias is not None:
                whole = {metric.bias: torch.zeros(len(felt), dtype=gap.dtype), **change}
                shift = self._shift(metric, whole)
                felt = felt + torch.outer(shift, metric.mean.to(gap.dtype))
                out[metric.bias] = shift
            out[metric.weight] = metric.like(felt, gap)
        return out

    def cost(self, names: Sequence[str]) -> float:
        """The squared distance over some parameters, with all that is measured with them."""
        total, counted = super().cost([n for n in names if n not in self._of]), set()
        for name in names:
            metric = self._of.get(name)
            if metric is not None and metric.weight not in counted:
                counted.add(metric.weight)
                total += _size(self._differences(metric))
        return total

    def _differences(self, metric: Metric) -> Iterable[Tensor]:
        gap = metric.flat(self.target[metric.weight] - self.moved[metric.weight])
        yield metric.times(gap.double(), metric.root.double())
        if metric.bias is not None:
            yield self._shift(metric, self.target) - self._shift(metric, self.moved)

    @property
    def objective_size(self) -> float:
        """The size of the target in the metrics: what distances are measured against."""
        plain = [t for n, t in self.target.items() if n not in self._of]
        seen = [self._seen(m) for m in self.metrics]
        shifts = [self._shift(m, self.target) for m in self.metrics if m.bias is not None]
        return _size([*plain, *seen, *shifts]) or 1.0


def _axis(place: Occurrence) -> int:
    """The dimension of the parameter in which a place stands."""
    ends = itertools.accumulate(len(axis) for axis in place.block.axes)
    return next(d for d, end in enumerate(ends) if place.dim < end)


def _size(tensors: Iterable[Tensor]) -> float:
    return sum(float(t.double().square().sum()) for t in tensors)
