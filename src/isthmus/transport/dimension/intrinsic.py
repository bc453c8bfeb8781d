"""Intrinsic dimension: how the number of neighbours grows with distance.

Points that are neighbours of one another say much the same, so that n of them are not n independent
ones: intervals are widened by what is found of that (`shared`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from scipy.stats import chi2
from torch import Tensor

from isthmus.ground.errors import BadInput
from isthmus.transport.estimate import Estimate, check_level
from isthmus.transport.measures.measure import Measure, squared_distances


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The nearest neighbours of each of n points.

    Attributes:
        distances: ``(n, k)``, rising and positive.
        points: who they are, ``(n, k)``.
    """

    distances: Tensor
    points: Tensor

    def shared(self, each: Tensor) -> float:
        """How many times larger the variance of a mean is than if the points were independent.

        Squares and products of what points say, summed over all pairs of which one is a neighbour
        of the other, over the squares alone; at least 1.

        Args:
            each: what each point says, ``(n,)``.
        """
        gap = each - each.mean()
        n, k = self.points.shape
        one, other = torch.arange(n).repeat_interleave(k), self.points.flatten()
        pairs = torch.unique(torch.minimum(one, other) * n + torch.maximum(one, other))
        products = 2 * float((gap[pairs // n] * gap[pairs % n]).sum())
        return max(1.0, 1.0 + products / max(float(gap.square().sum()), 1e-300))


class Estimator(Protocol):
    """What estimates a dimension from the distances of points to their neighbours."""

    @property
    def neighbours(self) -> int:
        """How many it looks at."""
        ...

    def __call__(self, near: Neighbours, level: float) -> Estimate:
        """The estimate of D."""
        ...


@dataclass(frozen=True)
class TwoNearest:
    """TwoNN (Facco, d'Errico, Rodriguez and Laio 2017).

    The ratio of a point's second to its first neighbour's distance has the law ``1 - μ^-D``,
    whatever the density, if it is constant that far. Its logarithm is exponential of rate D: D is
    estimated by maximum likelihood, and the interval is that of χ² with two degrees for each point,
    fewer where points share neighbours.

    Args:
        discard: the share of points with the largest ratios that are only known to be larger than
            the rest (censored, not dropped: no bias); the paper leaves out a tenth.
    """

    discard: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.discard < 1:
            raise BadInput(f"discard is {self.discard}", "give a share of at least 0 and below 1")

    @property
    def neighbours(self) -> int:
        """Two."""
        return 2

    def __call__(self, near: Neighbours, level: float) -> Estimate:
        """Estimate D."""
        each = (near.distances[:, 1] / near.distances[:, 0]).log()
        logs = each.sort().values
        kept = max(len(logs) - int(self.discard * len(logs)), 2)
        total = float(logs[:kept].sum() + (len(logs) - kept) * logs[kept - 1])
        if not total:
            raise BadInput("all points have two neighbours at one distance", "use LevinaBickel")
        value, degrees = (kept - 1) / total, 2 * kept / near.shared(each)
        low, high = value / degrees * chi2.ppf([(1 - level) / 2, (1 + level) / 2], degrees)
        basis = f"χ² of {degrees:.0f} degrees from {len(logs)} points"
        return Estimate(value, float(low), float(high), level, basis)


@dataclass(frozen=True)
class LevinaBickel:
    """Maximum likelihood (Levina and Bickel 2004), as corrected by MacKay and Ghahramani (2005).

    Around a point neighbours are taken as a Poisson process of constant density, so that
    ``Σ_{j<k} log(T_k / T_j) / (k - 1)`` estimates 1/D. These are averaged over all points, and D is
    the inverse of the mean; the paper of 2004 averages their inverses, which is too large for few
    neighbours.

    Args:
        count: k, at least 3.
        corrected: whether inverses are averaged as MacKay and Ghahramani say.
    """

    count: int = 10
    corrected: bool = True

    def __post_init__(self) -> None:
        if self.count < 3:
            raise BadInput(f"{self.count} neighbours", "give at least 3; 10 is usual")

    @property
    def neighbours(self) -> int:
        """``count``."""
        return self.count

    def __call__(self, near: Neighbours, level: float) -> Estimate:
        """Estimate D."""
        ratios = near.distances[:, -1:] / near.distances[:, :-1]
        inverse = ratios.log().sum(1) / (self.count - 1)
        if not bool((inverse > 0).all()):
            raise BadInput(f"a point has {self.count} neighbours at one distance", "take more")
        each = inverse if self.corrected else 1 / inverse
        error = float(each.std()) * (near.shared(each) / len(each)) ** 0.5
        basis = f"normal law of the mean over {len(each)} points"
        mean = Estimate.normal(float(each.mean()), error, level, basis)
        return mean.mapped(lambda value: 1 / max(value, 1e-300)) if self.corrected else mean


NEAREST = TwoNearest()


def intrinsic_dimension(
    measure: Measure, estimator: Estimator = NEAREST, level: float = 0.95
) -> Estimate:
    """The dimension of the support of the law that the atoms were drawn from.

    It is local: of the distances at which atoms have neighbours. In many dimensions these are far,
    and all estimators are then too low: a thousand points of a cube of 20 dimensions seem to have
    15. The interval counts chance alone, not that. Equal atoms count once.

    Args:
        measure: atoms; signs count as in `wasserstein`, masses do not.
        estimator: `TwoNearest` or `LevinaBickel`.
        level: of the interval.

    Raises:
        BadInput: there are too few different atoms.
    """
    check_level(level)
    distances = squared_distances(measure, measure).sqrt()
    k = estimator.neighbours
    fresh = _first_of_equals(distances)
    distances = distances[fresh][:, fresh]
    if len(distances) < k + 2:
        raise BadInput(
            f"{len(distances)} different atoms, and each is to have {k} neighbours",
            f"give at least {k + 2}",
        )
    near = distances.fill_diagonal_(torch.inf).topk(k, largest=False)
    return estimator(Neighbours(near.values, near.indices), level)


def _first_of_equals(distances: Tensor) -> Tensor:
    """Which points are at no distance 0 from an earlier one, ``(n,)``."""
    return ~((distances == 0).tril(-1).any(1))
