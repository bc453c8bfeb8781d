"""Theorem 5.3: independent rows that fill their space cannot be matched better than so."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from isthmus.ground import Params
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.ferbach2023.theorems.falls import WIDTH, Falls, missed, stacked
from isthmus.papers.ferbach2023.theorems.rates import cube, matching_cost
from isthmus.papers.figures import Axis, Picture, beside, chart
from isthmus.transport import matching_floor

_SOURCE = "Ferbach, Goujaud, Gidel and Dieuleveut 2024, Theorem 5.3"
KINDS = ("cube", "gaussian", "bent")
"""Rows uniform in a cube, or Gaussian; rows of the cube on inputs that are not round."""

_TONES = ("teal", "blue", "purple", "red", "amber")


@dataclass(frozen=True)
class Settings:
    """Layers of independent rows, matched in what they give on their inputs.

    Attributes:
        widths: N, of the layer.
        repetitions: Pairs of layers at each.
        dimensions: D, of what the layer takes: the width before it.
        least: Smallest eigenvalue λ of the second moment of the bent inputs; the largest is 1.
        flat: Dimension k of the rows that break the hypothesis, in the largest D.
    """

    widths: tuple[int, ...] = (32, 64, 128, 256, 512, 1024)
    repetitions: int = 6
    dimensions: tuple[int, ...] = (3, 5, 8, 12)
    least: float = 0.25
    flat: int = 2

    def floor(self, kind: str, width: int, dimension: int) -> float:
        """What no permutation comes below, in expectation."""
        density = (2 * math.pi) ** (-dimension / 2) if kind == "gaussian" else 1.0
        return matching_floor(width, dimension, density, self.least if kind == "bent" else 1.0)


@dataclass(frozen=True)
class Floor(Falls):
    """``E |z_i - z'_π(i)|²`` of the best permutation; ``flat`` is of rows in k dimensions."""

    settings: Settings

    @property
    def laws(self) -> Mapping[str, float]:
        """2/D."""
        return {f"{kind}, D = {d}": 2 / d for kind in KINDS for d in self.settings.dimensions}

    def above(self, kind: str, dimension: int, name: str | None = None) -> Tensor:
        """Errors over the floor, ``(widths, repetitions)``."""
        floors = [self.settings.floor(kind, n, dimension) for n in self.widths]
        return self.scores[name or f"{kind}, D = {dimension}"] / stacked([floors]).mT

    def check(self) -> list[Check]:
        """The floor holds, is met to a constant, and needs rows that fill their space."""
        ds = self.settings.dimensions
        every = {k: torch.stack([self.above(k, d).mean(1) for d in ds]) for k in KINDS}
        least = min(float(values.min()) for values in every.values())
        high = [k for k, d in enumerate(ds) if d >= 5]
        spread = max(
            float((v[high].amax(1) / v[high].amin(1)).max()) for v in (every["cube"], every["bent"])
        )
        misses = {name: missed(self.exponent(name), law) / law for name, law in self.laws.items()}
        worst = max(misses, key=lambda name: misses[name])
        thin = float(self.above("cube", ds[-1], "flat").mean(1)[-1])
        return [
            Check(
                "floor",
                "no mean error of the best permutation is below the floor, at any width and "
                f"dimension (least: {least:.2f} times)",
                1 - least,
                source=_SOURCE,
            ),
            Check(
                "tight",
                "the floor is met to a constant: over all widths the ratio changes by less than a "
                f"factor of 2 in 5 dimensions or more ({spread:.2f})",
                spread - 2,
                source=_SOURCE,
            ),
            Check(
                "rate",
                "errors fall like N^(-2/D) (share of the exponent by which an interval is beside "
                f"it; worst: {worst}, {self.exponent(worst):.3f} for {self.laws[worst]:.3f})",
                misses[worst],
                0.4,
                source=_SOURCE,
            ),
            Check(
                "only rows that fill the space",
                f"rows in {self.settings.flat} of {ds[-1]} dimensions, which have no density, come "
                f"below it ({thin:.3f} times at the largest width)",
                thin - 1,
                source="the hypothesis of the theorem",
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """Errors by width, and errors over their floor."""
        ds = self.settings.dimensions
        curves = [self.curve(f"cube, D = {d}", _TONES[k % 5], f"D = {d}") for k, d in enumerate(ds)]
        curves.append(self.curve("flat", "grey", f"{self.settings.flat} of {ds[-1]}"))
        error = Axis("error of the best permutation", log=True)
        errors = chart("Rows in a cube", WIDTH, error, curves)
        ratios = Floor(
            self.widths,
            {f"{k}, D = {d}": self.above(k, d) for k in KINDS for d in ds},
            self.settings,
        )
        lines = [
            ratios.curve(f"{kind}, D = {d}", _TONES[k % 5])
            for kind in KINDS[:2]
            for k, d in enumerate(ds)
        ]
        over = chart("Over the floor", WIDTH, Axis("error / floor", log=True), lines, width=560)
        return {"lower_bound": beside("What no permutation comes below", errors, over)}


def perform(bench: Bench, settings: Settings) -> Floor:
    """A step for each dimension."""
    scores: Params = {}
    for k, d in enumerate(settings.dimensions):
        bench.tell(f"{d} dimensions", k, len(settings.dimensions))
        found = bench.step(f"dimension-{d}", partial(_measured, settings, d, bench.seed))
        scores |= {name if name == "flat" else f"{name}, D = {d}": v for name, v in found.items()}
    return Floor(settings.widths, scores, settings)


def _measured(settings: Settings, dimension: int, seed: int) -> Params:
    """Costs of the best permutation in the metric of the inputs, ``tr(D Σ Dᵀ) / N``."""
    generator = torch.Generator().manual_seed(1000 * seed + dimension)
    root = torch.logspace(math.log10(settings.least), 0, dimension).double().sqrt()

    def rows(kind: str, count: int) -> Tensor:
        if kind == "gaussian":
            return torch.randn(count, dimension, generator=generator, dtype=torch.float64)
        found = cube(count, dimension, generator)
        if kind == "flat":
            found[:, settings.flat :] = 0.5
        return found * root if kind == "bent" else found

    kinds = (*KINDS, "flat") if dimension == settings.dimensions[-1] else KINDS
    return {
        kind: stacked(
            [
                [matching_cost(rows(kind, n), rows(kind, n)) for _ in range(settings.repetitions)]
                for n in settings.widths
            ]
        )
        for kind in kinds
    }


lower_bound = Experiment(
    "ferbach2023.lower_bound",
    "No permutation matches independent rows better than N^(-2/D)",
    _SOURCE,
    {
        Scale.SMOKE: Settings((16, 32, 64), 4, (3, 8)),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings((32, 64, 128, 256, 512, 1024, 2048, 4096), 10),
    },
    perform,
    (
        (
            "The display of the theorem was not at hand; the statement is reconstructed from a "
            "note (mathematics.md 2.4), and the floor with its constants is derived in "
            "`matching_floor`."
        ),
        (
            "D stands for the effective width of the layer before. Second moments of the inputs "
            "are given, and of full rank, as the theorem asks."
        ),
    ),
)
"""The error of the best permutation against the floor, by width and dimension."""
