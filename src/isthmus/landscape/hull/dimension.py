"""dimension_probe: in how many dimensions a region of low loss has room."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import final

import torch

from isthmus.ground import BadInput, Result
from isthmus.landscape.curves.many import SimplicialComplex
from isthmus.landscape.loss import Loss


@final
@dataclass(frozen=True)
class DimensionProbe(Result):
    """What every connector of a complex adds, in the order in which they were trained.

    A connector that leaves the complex exactly flat, and all after it, are left out.

    Attributes:
        log_volumes: The logarithm of the volume of the complex of the first connectors, in its
            dimension; for one connector, then two, and so on.
        heights: How far every connector is from the span of what was there before: what its
            dimension adds, ``n V_n / V_(n-1)``, over the height of the first.
        highest: The highest loss at points of the complex of the first connectors.
    """

    log_volumes: tuple[float, ...]
    heights: tuple[float, ...]
    highest: tuple[float, ...]

    def dimension(self, level: float, least: float = 0.1) -> int:
        """How many connectors there are before a loss is above ``level`` or a height collapses.

        Args:
            level: The highest loss that counts as low.
            least: A height that is smaller has collapsed.
        """
        rows = enumerate(zip(self.heights, self.highest, strict=True))
        return next((k for k, (h, v) in rows if not (h >= least and v <= level)), len(self.heights))

    def __str__(self) -> str:
        head = "connectors  log volume    height  highest loss"
        rows = zip(self.log_volumes, self.heights, self.highest, strict=True)
        lines = [f"{k:10d}{v:12.4g}{h:10.4g}{w:14.4g}" for k, (v, h, w) in enumerate(rows, 1)]
        return "\n".join([head, *lines])


def dimension_probe(
    region: SimplicialComplex, loss: Loss, samples: int = 25, seed: int = 0
) -> DimensionProbe:
    """Volumes and losses of a region of low loss as its connectors are added.

    A connector that finds no new direction of low loss falls back to the span of the others, and
    the volume collapses (Benton et al. 2021, section 4.2).

    Args:
        region: What `simplexes` trained.
        loss: Where the points are looked at.
        samples: Points of the complex of the first connectors, for every number of them.
        seed: Fixes them.

    Raises:
        BadInput: There are no samples.
        UnknownName: The region is not of the loss's model; so ShapeMismatch.
    """
    if samples < 1:
        raise BadInput(f"{samples} samples, expected at least 1", "25 are usual")
    every = range(1, region.dimension + 1)
    parts = [replace(region, vertices=region.vertices[: region.minima + k]) for k in every]
    volumes = list(takewhile(lambda volume: volume > -math.inf, map(_log_volume, parts)))
    befores = [math.log(region.minima), *volumes]
    rises = [math.log(k) + v - befores[k - 1] for k, v in enumerate(volumes, 1)]
    highest = []
    for part in parts[: len(volumes)]:
        points = part.sample(samples, seed)
        found = loss.along(lambda k, points=points: points[int(k)], range(samples))  # type: ignore[misc]
        highest.append(max(one.loss if one.finite else math.inf for one in found))
    heights = tuple(math.exp(rise - rises[0]) for rise in rises)
    return DimensionProbe(tuple(volumes), heights, tuple(highest))


def _log_volume(region: SimplicialComplex) -> float:
    """Of all simplexes together."""
    return float(torch.tensor(region.log_volumes, dtype=torch.float64).logsumexp(0))
