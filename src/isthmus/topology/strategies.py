"""linear_clusters: which models stand together, as the lines between them tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import final

import numpy as np
import torch
from scipy.cluster.vq import kmeans2
from torch import Tensor

from isthmus.ground import BadInput, NotFinite, Result
from isthmus.landscape import Line, Loss
from isthmus.landscape.loss import Progress
from isthmus.topology.disjoint_sets import DisjointSets


@final
@dataclass(frozen=True)
class LinearClusters(Result):
    """Models in clusters by the lines between them.

    Attributes:
        gaps: ``(models, models)``, float64: the convexity gap of the loss on the line, symmetric.
        labels: The cluster of each model by its place, numbered in the order of first members.
    """

    gaps: Tensor = field(metadata={"json": False})
    labels: tuple[int, ...]

    @classmethod
    def of(
        cls, gaps: Tensor, *, count: int | None = 2, level: float | None = None, seed: int = 0
    ) -> LinearClusters:
        """Clusters by gaps that are known; the arguments are those of `linear_clusters`.

        Raises:
            BadInput: As there, or ``gaps`` is not square and symmetric.
            NotFinite: A gap is not.
        """
        if not bool(gaps.isfinite().all()):
            raise NotFinite(
                "a gap is not finite", "take models with finite losses on the lines between them"
            )
        if gaps.dim() != 2 or not torch.equal(gaps, gaps.T) or len(gaps) < 2:
            raise BadInput(
                f"gaps of shape {tuple(gaps.shape)} are not a symmetric matrix of two models or "
                "more",
                "give one number for each pair",
            )
        _require(len(gaps), count, level)
        labels = _joined(gaps, level) if level is not None else _spectral(gaps, count or 1, seed)
        first = list(dict.fromkeys(labels))
        return cls(gaps, tuple(first.index(label) for label in labels))

    @property
    def within(self) -> float:
        """The mean gap between members of one cluster; 0 where each is alone."""
        return self._mean(same=True)

    @property
    def between(self) -> float:
        """The mean gap between members of different clusters; 0 where there is one."""
        return self._mean(same=False)

    def _mean(self, *, same: bool) -> float:
        pairs = combinations(range(len(self.labels)), 2)
        found = [float(self.gaps[p]) for p in pairs if (self._same(p)) is same]
        return sum(found) / len(found) if found else 0.0

    def _same(self, pair: tuple[int, int]) -> bool:
        return self.labels[pair[0]] == self.labels[pair[1]]

    def agreement(self, others: Sequence[object]) -> float:
        """Adjusted Rand index of these clusters and others: 1 if equal, by chance 0 in the mean.

        Args:
            others: What tells the models apart otherwise, one for each.

        Raises:
            BadInput: There are more or fewer.
        """
        if len(others) != len(self.labels):
            raise BadInput(
                f"{len(others)} labels for {len(self.labels)} models", "give one for each"
            )
        pairs = list(combinations(range(len(self.labels)), 2))
        mine = np.array([self._same(pair) for pair in pairs])
        theirs = np.array([others[i] == others[j] for i, j in pairs])
        both, chance = int((mine & theirs).sum()), mine.sum() * theirs.sum() / max(len(pairs), 1)
        most = (mine.sum() + theirs.sum()) / 2
        return 1.0 if most == chance else float((both - chance) / (most - chance))

    def __str__(self) -> str:
        count = len(set(self.labels))
        return (
            f"{len(self.labels)} models in {count} clusters; mean convexity gap {self.within:.4g} "
            f"within, {self.between:.4g} between"
        )


def convexity_gap(losses: Tensor) -> float:
    """The largest barrier on any part of a path: 0 if the loss is convex along it.

    ``max_{i≤j≤k} L_j - [(k-j) L_i + (j-i) L_k] / (k-i)`` of losses at equal steps (Juneja et al.
    2023; from memory). The barrier of the whole path is the part i = 0, k = last.

    Args:
        losses: ``(points,)``.

    Returns:
        The gap; NaN if a loss is not finite.

    Raises:
        BadInput: There are no points, or they have several axes.
    """
    if losses.dim() != 1 or not len(losses):
        raise BadInput(f"losses have shape {tuple(losses.shape)}", "give those of one path")
    values = losses.double()
    if not bool(values.isfinite().all()):
        return float("nan")
    worst = 0.0
    for i, k in combinations(range(len(values)), 2):
        chord = torch.linspace(0, 1, k - i + 1, dtype=torch.float64)
        above = values[i : k + 1] - torch.lerp(values[i], values[k], chord)
        worst = max(worst, float(above[1:-1].max()) if k - i > 1 else 0.0)
    return worst


def linear_clusters(
    models: Sequence[Mapping[str, Tensor]],
    loss: Loss,
    *,
    count: int | None = 2,
    level: float | None = None,
    points: int = 11,
    seed: int = 0,
    progress: Progress | None = None,
) -> LinearClusters:
    """Clusters of models by the convexity gaps of the loss on the lines between them.

    Fine-tunes of one model that generalise by different strategies may be behind barriers from
    each other (Juneja et al. 2023). Spectral clustering with affinities ``exp(-gap / mean gap)``
    (reconstructed: the source's are not known to us); or, with a level, whatever lines of no larger
    gap join. Models are compared as they are: align them first where that is wanted.

    Args:
        models: Two or more Params of one model.
        loss: Where the lines are looked at.
        count: How many clusters; None with a level.
        level: The largest gap of a line that joins two models; None for spectral clustering.
        points: On every line.
        seed: Of the clustering.
        progress: Called with (lines done, lines) after each.

    Raises:
        BadInput: There are fewer than two models, or than clusters, or not one of ``count`` and
            ``level`` is given, or ``points`` is below 3.
        NotFinite: A loss on a line is not.
        UnknownName: The models differ in names; so ShapeMismatch and DtypeMismatch.
    """
    _require(len(models), count, level, points)
    gaps = torch.zeros(len(models), len(models), dtype=torch.float64)
    ts = [k / (points - 1) for k in range(points)]
    pairs = list(combinations(range(len(models)), 2))
    for done, (i, j) in enumerate(pairs):
        found = loss.along(Line(models[i], models[j]), ts)
        gaps[i, j] = gaps[j, i] = convexity_gap(torch.tensor([one.loss for one in found]))
        if progress is not None:
            progress(done + 1, len(pairs))
    return LinearClusters.of(gaps, count=count, level=level, seed=seed)


def _require(models: int, count: int | None, level: float | None, points: int = 3) -> None:
    if (count is None) is (level is None):
        raise BadInput("both or none of count and level are given", "give one, and None for count")
    if models < 2 or points < 3 or (count is not None and not 1 <= count <= models):
        raise BadInput(
            f"{models} models, {points} points, {count} clusters",
            "give two models, three points, and from one cluster to one for each model",
        )


def _joined(gaps: Tensor, level: float) -> list[int]:
    """Components of the graph of gaps up to the level."""
    sets = DisjointSets(len(gaps))
    for i, j in combinations(range(len(gaps)), 2):
        if float(gaps[i, j]) <= level:
            sets.unite(i, j)
    return [sets.root(k) for k in range(len(gaps))]


def _spectral(gaps: Tensor, count: int, seed: int) -> list[int]:
    """Rows of the first eigenvectors of the normalised affinities, by k-means (Ng et al. 2002)."""
    far = float(gaps.sum()) / (len(gaps) * (len(gaps) - 1))
    if count == len(gaps) or not far:
        return list(range(count)) + [0] * (len(gaps) - count)
    affinity = torch.exp(-gaps / far).fill_diagonal_(0.0)
    root = affinity.sum(1).clamp_min(1e-300).rsqrt()
    _, vectors = torch.linalg.eigh(root[:, None] * affinity * root)
    rows = torch.nn.functional.normalize(vectors[:, -count:], dim=1).numpy()
    best: tuple[float, list[int]] | None = None
    for trial in range(10):
        centres, labels = kmeans2(rows, count, minit="++", seed=seed + trial, missing="warn")
        cost = float(((rows - centres[labels]) ** 2).sum())
        if best is None or cost < best[0] - 1e-12:
            best = cost, labels.tolist()
    return best[1] if best is not None else [0] * len(gaps)
