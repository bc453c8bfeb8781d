"""Fates: what becomes of a constant that is added to a tensor."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from isthmus.algebra.charts import Carry, Hop
from isthmus.discovery.gauge.graphs.graph import Graph
from isthmus.discovery.gauge.graphs.labels import ABSENT, core


@dataclass
class Fate:
    """What becomes of a constant vector of ``size`` entries.

    Attributes:
        felt: entries that some operator feels.
        carries: how later biases make up for the others; each path begins with a hop.
        met: the results of linear operators that read it, the same at all positions.
    """

    source: str
    size: int
    factor: float = 1.0
    felt: set[int] = field(default_factory=set)
    carries: list[Carry] = field(default_factory=list)
    met: set[str] = field(default_factory=set)

    def feel(self, labels: Tensor) -> None:
        """These entries are felt by some operator."""
        self.felt.update(k for k in torch.unique(core(labels)).tolist() if k != ABSENT)

    def carry(self, graph: Graph, target: str, hop: Hop, factor: float) -> None:
        """A later bias makes up for what arrives at it, if it is known how much."""
        if math.isnan(factor):
            take = hop.take if hop.take is not None else range(self.size)
            self.felt.update(k for k in take if k != ABSENT)
            return
        centred = tuple(sorted(graph.centred.get(target, ())))
        self.carries.append(Carry(self.source, target, (hop,), factor, centred))

    def kept(self) -> list[Carry]:
        """How later biases make up for the entries that nothing feels."""
        found = []
        for carry in self.carries:
            first = carry.path[0]
            take = first.take if first.take is not None else tuple(range(self.size))
            shown = tuple(ABSENT if k in self.felt else k for k in take)
            if any(k != ABSENT for k in shown):
                plain = shown == tuple(range(self.size))
                hop = replace(first, take=None if plain else shown)
                found.append(replace(carry, path=(hop, *carry.path[1:])))
        return found

    @property
    def over(self) -> bool:
        """Whether every entry is felt."""
        return len(self.felt) >= self.size
