"""What the learning-rate study finds: losses halfway and dimensions, by rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from isthmus.ground import Params
from isthmus.papers.bench import Check, Findings
from isthmus.papers.bench.table import table
from isthmus.papers.ferbach2023 import claims, drawing
from isthmus.papers.ferbach2023.methods import METHODS
from isthmus.papers.ferbach2023.published import PUBLISHED
from isthmus.papers.ferbach2023.settings import Settings
from isthmus.papers.figures import Picture

METRICS = ("weights", "weights on data", "activations")
"""In which dimensions are measured, in the order of the arrays."""


@dataclass(frozen=True)
class Comparison(Findings):
    """Losses halfway between two networks, matched in several ways, at several learning rates.

    Attributes:
        settings: What was run.
        scores: Of every pair (`isthmus.papers.ferbach2023.scores`), stacked: each begins with
            dimensions (data sets, rates, repetitions).
    """

    settings: Settings
    scores: Params = field(metadata={"json": False})

    @classmethod
    def of(cls, settings: Settings, scores: list[Params]) -> Comparison:
        """From the scores of all pairs, repetition after repetition, rate after rate."""
        grid = (len(settings.data), len(settings.rates), settings.repetitions)
        stacked = {name: torch.stack([one[name] for one in scores]) for name in scores[0]}
        return cls(settings, {n: t.reshape(*grid, *t.shape[1:]) for n, t in stacked.items()})

    def halfway(self, method: str) -> Tensor:
        """The test loss in the middle, ``(data sets, rates, repetitions)``."""
        return self.scores["loss"][..., [one.name for one in METHODS].index(method)]

    @property
    def ends(self) -> Tensor:
        """The mean test loss of the two networks, ``(data sets, rates, repetitions)``."""
        return self.scores["end_loss"].mean(-1)

    @property
    def dimension(self) -> Tensor:
        """The mean over networks, ``(data sets, rates, metrics, hidden layers)``."""
        return self.scores["dimension"].mean((2, 3))

    def arrays(self) -> Params:
        """All scores, and the rates."""
        return {"rates": torch.tensor(self.settings.rates, dtype=torch.float64), **self.scores}

    def check(self) -> list[Check]:
        """The claims of the paper and ours."""
        return claims.checks(self)

    def draw(self) -> Mapping[str, Picture]:
        """Losses and dimensions over the rates."""
        return drawing.pictures(self)

    def to_json(self) -> dict[str, Any]:
        """For each data set: the means over repetitions."""
        found: dict[str, Any] = {}
        for k, name in enumerate(self.settings.data):
            losses = {one.name: self.halfway(one.name)[k].mean(-1).tolist() for one in METHODS}
            found[name] = {
                "rates": list(self.settings.rates),
                "endpoints": self.ends[k].mean(-1).tolist(),
                "halfway": losses,
                "dimension": {m: self.dimension[k, :, j].tolist() for j, m in enumerate(METRICS)},
            }
        return found

    def __str__(self) -> str:
        """A table for each data set."""
        return "\n\n".join(self._table(k, name) for k, name in enumerate(self.settings.data))

    def _table(self, number: int, name: str) -> str:
        def row(label: str, values: Tensor, digits: str = ".4f") -> list[str]:
            return [label, *(format(float(value), digits) for value in values)]

        rows = [row("endpoints", self.ends[number].mean(-1))]
        rows += [row(one.name, self.halfway(one.name)[number].mean(-1)) for one in METHODS]
        rows += [
            row(
                f"dimension, {metric}, layer {layer + 1}",
                self.dimension[number, :, j, layer],
                ".1f",
            )
            for j, metric in enumerate(METRICS)
            for layer in range(self.dimension.shape[-1])
        ]
        if name == "mnist" and len(self.settings.rates) == len(PUBLISHED["endpoints"]):
            rows += [[f"published: {label}", *map(str, x)] for label, x in PUBLISHED.items()]
        head = [f"{name}, test loss halfway", *(f"{rate:.2g}" for rate in self.settings.rates)]
        return table(head, rows)
