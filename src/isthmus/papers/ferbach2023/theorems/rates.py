"""How fast samples of one law come near each other, by dimension: what width buys (section 3)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor

from isthmus.ground import Params
from isthmus.ground.assignment import assignment
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.ferbach2023.theorems.falls import WIDTH, Falls, missed, stacked
from isthmus.papers.figures import Axis, Picture, Series, beside, chart
from isthmus.transport import Measure, RateLaw, effective_dimension, intrinsic_dimension

_SOURCE = "mathematics.md 2.3: Dudley 1969; Fournier and Guillin 2015; Weed and Bach 2019"


def matching_cost(one: Tensor, two: Tensor, order: float = 2.0) -> float:
    """The least mean of ``|x_i - y_π(i)|^p`` over permutations; rows are points."""
    far = torch.cdist(one, two, compute_mode="donot_use_mm_for_euclid_dist") ** order
    return float(far[torch.arange(len(one)), assignment(far)].mean())


def cube(count: int, dimension: int, generator: torch.Generator) -> Tensor:
    """Points uniform in ``[0, 1]^D``, ``(count, D)``: of density 1."""
    return torch.rand(count, dimension, generator=generator, dtype=torch.float64)


def sphere(count: int, dimension: int, generator: torch.Generator) -> Tensor:
    """Points uniform on the unit sphere of D dimensions, ``(count, D + 1)``: it has no edge."""
    x = torch.randn(count, dimension + 1, generator=generator, dtype=torch.float64)
    points: Tensor = x / x.norm(dim=1, keepdim=True)
    return points


Law: TypeAlias = "Callable[[int, int, torch.Generator], Tensor]"
"""From a number of points and a dimension to points."""

LAWS: Mapping[str, Law] = {"cube": cube, "sphere": sphere}

_SLACK = {"cube": 0.3, "sphere": 0.12}
"""Share of an exponent by which an interval may lie beside it. A cube has edges: the share of its
points near them falls slowly, and with it the exponent, to its law."""

_TONES = ("teal", "blue", "purple", "red", "amber", "green", "ink")


@dataclass(frozen=True)
class Settings:
    """Uniform laws on a cube and on a sphere.

    Attributes:
        widths: Points in a sample.
        repetitions: Pairs of samples at each.
        dimensions: D, of cubes and spheres.
        cloud: Points from which dimensions are estimated.
    """

    widths: tuple[int, ...] = (64, 128, 256, 512, 1024)
    repetitions: int = 6
    dimensions: tuple[int, ...] = (2, 3, 4, 5, 6, 7, 8)
    cloud: int = 1000


def _exponents(law: RateLaw) -> tuple[float, float]:
    """From where to where the exponent of ``W_p^p`` may lie."""
    return law.exponent, max(law.exponent, law.floor_exponent)


def title(law: str, order: int, dimension: int) -> str:
    """Of one row of scores."""
    return f"{law}, D = {dimension}, {('W1', 'W2 squared')[order - 1]}"


@dataclass(frozen=True)
class Rates(Falls):
    """Distances of two samples, ``W_p^p`` for p = 1, 2.

    Attributes:
        settings: What was run.
        dimensions: ``(laws, dimensions, 2)``: the trace ratio of a cloud and what its neighbours
            say.
    """

    settings: Settings
    dimensions: Tensor = field(metadata={"json": False})

    @property
    def laws(self) -> Mapping[str, float]:
        """Exponents of the upper bounds."""
        return {name: law.exponent for name, law in self._laws()}

    def _laws(self, only: str = "") -> Iterator[tuple[str, RateLaw]]:
        for law in LAWS:
            for order in (1, 2):
                for d in self.settings.dimensions:
                    if only in law:
                        yield title(law, order, d), RateLaw(d, order)

    def arrays(self) -> Params:
        """Distances and dimensions."""
        return {**super().arrays(), "dimensions": self.dimensions}

    def check(self) -> list[Check]:
        """Slopes, constants, dimensions recovered in three ways."""
        return [
            *(self._slopes(law) for law in LAWS),
            *self._constants(),
            self._recovered(),
            *self._clouds(),
        ]

    def _slopes(self, law: str) -> Check:
        misses = {
            name: missed(self.exponent(name), *_exponents(one)) / one.exponent
            for name, one in self._laws(law)
        }
        worst = max(misses, key=lambda name: misses[name])
        claim = (
            f"distances fall with the exponent of their dimension, within its range where it is "
            f"not known ({len(misses)} laws; share of the exponent by which an interval is beside "
            f"it; worst: {worst}, {self.exponent(worst):.3f} for {self.laws[worst]:.3f})"
        )
        return Check(f"slopes on the {law}", claim, misses[worst], _SLACK[law], source=_SOURCE)

    def _constants(self) -> list[Check]:
        """The means against the bounds with all constants, on the cube of density 1."""
        above, below = -math.inf, -math.inf
        for name, law in self._laws("cube"):
            for n, cost in zip(self.widths, self.mean(name).tolist(), strict=True):
                above = max(above, cost / (2**law.order * law.ceiling(n)) - 1)
                below = max(below, law.floor(n) / cost - 1)
        upper = "no mean distance on the cube is above the bound with its constants"
        lower = "none is below what any N points keep from a law of density 1"
        return [
            Check("upper bounds", upper, above, source=_SOURCE),
            Check("lower bounds", lower, below, source=_SOURCE),
        ]

    def _recovered(self) -> Check:
        found = [
            (law.order / self.exponent(name).value, law.dimension)
            for name, law in self._laws("sphere")
            if law.sharp
        ]
        off = max(abs(value / d - 1) for value, d in found)
        pairs = ", ".join(f"{value:.1f} for {d}" for value, d in found)
        claim = f"p over the slope is the dimension of the sphere, where D > 2p ({pairs})"
        return Check("dimension from slopes", claim, off, 0.2, source=_SOURCE)

    def _clouds(self) -> list[Check]:
        wanted = torch.tensor(self.settings.dimensions, dtype=torch.float64)
        around = torch.stack([wanted, wanted + 1])  # a sphere fills one direction more
        ratio = float((self.dimensions[..., 0] / around - 1).abs().max())
        near = float((self.dimensions[..., 1] / wanted - 1).abs().max())
        points = f"{self.settings.cloud} points"
        first = f"tr(S)² / tr(S²) of {points}, centred, counts the directions that they fill"
        second = f"distances to two neighbours among {points} tell the dimension"
        return [
            Check("trace ratio", first, ratio, 0.05, source="mathematics.md 2.7"),
            Check("neighbours", second, near, 0.25, source="Facco et al. 2017"),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """Distances on the sphere by width; exponents by dimension."""
        ds = self.settings.dimensions
        distances = [
            self.curve(title("sphere", 2, d), _TONES[k % 7], f"D = {d}") for k, d in enumerate(ds)
        ]
        falls = chart("Spheres", WIDTH, Axis("W2 squared", log=True), distances, width=440)
        panels = [self._by_dimension(law) for law in LAWS]
        return {"rates": beside("What width buys, by dimension", falls, *panels)}

    def _by_dimension(self, law: str) -> Picture:
        ds, lines = self.settings.dimensions, []
        for order, tone in ((1, "amber"), (2, "teal")):
            fits = [self.exponent(title(law, order, d)) for d in ds]
            values, low, high = (
                [getattr(fit, part) for fit in fits] for part in ("value", "low", "high")
            )
            lines += [
                Series(f"W{order}", ds, values, tone, low, high),
                Series(f"{order}/D", ds, [order / d for d in ds], "soft", dash=5, dots=False),
            ]
        return chart(f"Exponents, {law}", Axis("dimension D"), Axis("exponent"), lines, width=400)


def perform(bench: Bench, settings: Settings) -> Rates:
    """A step for each law and dimension."""
    scores: Params = {}
    clouds = []
    for k, (name, law) in enumerate(LAWS.items()):
        bench.tell(name, k, len(LAWS))
        for d in settings.dimensions:
            generator = torch.Generator().manual_seed(1000 * bench.seed + 10 * d + k)
            found = bench.step(f"{name}-{d}", partial(_measured, settings, law, d, generator))
            scores |= {title(name, order, d): found[f"order-{order}"] for order in (1, 2)}
            clouds.append(found["cloud"])
    shape = (len(LAWS), len(settings.dimensions), 2)
    return Rates(settings.widths, scores, settings, torch.stack(clouds).reshape(shape))


def _measured(settings: Settings, law: Law, dimension: int, generator: torch.Generator) -> Params:
    def draw(count: int) -> Tensor:
        return law(count, dimension, generator)

    found = {
        f"order-{p}": stacked(
            [
                [matching_cost(draw(n), draw(n), p) for _ in range(settings.repetitions)]
                for n in settings.widths
            ]
        )
        for p in (1, 2)
    }
    points = draw(settings.cloud)
    ratio = effective_dimension(points, centred=True, unbiased=True).value
    near = intrinsic_dimension(Measure(points)).value
    return {**found, "cloud": torch.tensor([ratio, near], dtype=torch.float64)}


rates = Experiment(
    "ferbach2023.rates",
    "Samples come near each other at the rate of their dimension",
    _SOURCE,
    {
        Scale.SMOKE: Settings((32, 64, 128), 8, (2, 5, 8), 500),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings((64, 128, 256, 512, 1024, 2048, 4096), 10, cloud=4000),
    },
    perform,
    (
        (
            "The paper quotes these rates; laws, widths and the intervals (Student's, of chance "
            "alone) are ours."
        ),
        (
            "Between D < 2p the exponent of a smooth law is p/D and that of any law at least "
            "1/2; at D = 2p there is a logarithm."
        ),
    ),
)
"""Slopes of W1 and W2 squared in 2 to 8 dimensions, with their intervals and constants."""
