"""Stars and simplexes: regions of low loss that hold many networks of different seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations

import torch
from torch import Tensor

from isthmus.alignment import WeightMatching, align
from isthmus.ground import Params, double
from isthmus.landscape import Line, Loss, Training, simplexes, star
from isthmus.landscape.curves.many.simplexes import SimplicialComplex
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.methods.connectivity.ways import Networks, Ways, along, ordered
from isthmus.papers.methods.method import Method

LIN = "Lin, Li and Wu 2024"
SONTHALIA = "Sonthalia et al. 2024"
BENTON = "Benton et al. 2021, ICML"
NAMES = ("lines", "arms", "aligned lines", "arm to a new network")


@dataclass(frozen=True)
class Settings(Networks):
    """Networks around a star, one more that it does not know, and simplexes on three of them.

    Attributes:
        around: Networks around the star.
        steps: Of the training of the star, of 128 samples; so many again for the simplexes.
        connectors: The dimension of the simplexes.
        drawn: Points of the simplexes that are looked at.
    """

    around: int = 4
    steps: int = 1000
    connectors: int = 4
    drawn: int = 20


@dataclass(frozen=True)
class Regions(Ways):
    """Losses on lines and arms, each a mean over all of its kind; losses inside the simplexes.

    Attributes:
        settings: What was run.
        inside: Test losses and errors of the points drawn, ``(2, drawn)``.
        together: Test error of the mean of their probabilities, and of the three networks' mean.
        volumes: Logarithms of the volumes of the simplexes, and by Gram determinants, ``(2, 3)``.
    """

    title = "Lines between seeds, and the arms of a star"

    settings: Settings
    inside: Tensor = field(metadata={"json": False})
    together: Tensor = field(metadata={"json": False})
    volumes: Tensor = field(metadata={"json": False})

    def arrays(self) -> Params:
        """All of it."""
        more = {"inside": self.inside, "together": self.together, "volumes": self.volumes}
        return {**super().arrays(), **more}

    def check(self) -> list[Check]:
        """Volumes are those of Gram determinants; arms and simplexes are low."""
        gap = float((self.volumes[0] - self.volumes[1]).abs().max())
        checks = [
            Check(
                "volume",
                "the logarithms of volumes by Cayley-Menger are those by Gram determinants",
                gap,
                1e-9 * float(self.volumes.abs().max()),
                source=BENTON,
            )
        ]
        if not self.settings.fashion:
            return checks
        line, arm = self.height("lines"), self.height("arms")
        claim = "arms have less than a third of the barrier of direct lines"
        checks.append(Check("star", claim, arm - line / 3, source=LIN))
        line, arm = self.height("aligned lines"), self.height("arm to a new network")
        claim = "the arm to an aligned network that the star does not know has a lower barrier"
        checks.append(Check("star domain", claim, arm - line, source=SONTHALIA))
        error, single = float(self.inside[1].max()), float(self.together[1])
        claim = "no point drawn from the simplexes errs more than two points above the minima"
        checks.append(Check("simplexes", claim, error - single, 0.02, source=BENTON))
        claim = "the points drawn, taken together, err less than the minima do"
        over = float(self.together[0]) - single
        return [*checks, Check("ensemble", claim, over, source=BENTON)]

    @property
    def measured(self) -> str:
        """Barriers of the star, errors in the simplexes."""
        heights = ", ".join(f"{name} {self.height(name):.3f}" for name in self.losses)
        return (
            f"{self.settings}: mean barrier of the test loss on {heights}; "
            f"{self.settings.connectors}-dimensional simplexes on 3 minima: largest test error "
            f"{float(self.inside[1].max()):.1%} of {self.inside.shape[1]} points, "
            f"{float(self.together[0]):.1%} taken together, minima {float(self.together[1]):.1%}"
        )


def perform(bench: Bench, settings: Settings) -> Regions:
    """The trainings, a step for the stars, and one for the simplexes."""
    models = settings.trained(bench, settings.around + 1)
    task = settings.task()
    loss, test = task.loss(batch=128), task.loss(test=True)
    training = Training(lambda tensors: torch.optim.Adam(tensors, lr=3e-3))
    losses = bench.step("stars", lambda: _stars(bench.seed, settings, models, (loss, test)))

    def span() -> Params:
        steps = settings.steps
        region = simplexes(
            models[:3], loss, settings.connectors, steps, bench.seed, training=training
        )
        points = region.sample(settings.drawn, seed=bench.seed)
        found = [test.evaluate(point) for point in points]
        inside = [[one.loss for one in found], [1 - one.metrics["accuracy"] for one in found]]
        minima = [1 - test.evaluate(model).metrics["accuracy"] for model in models[:3]]
        pair = (_together(test, points), sum(minima) / 3)
        volumes = _volumes(region)
        rows = {"inside": inside, "together": pair, "volumes": volumes}
        return {name: torch.tensor(row, dtype=torch.float64) for name, row in rows.items()}

    return Regions(ordered(losses, NAMES), settings, **bench.step("simplexes", span))


def _stars(
    seed: int, settings: Settings, models: list[Params], losses: tuple[Loss, Loss]
) -> Params:
    """Losses on lines and on arms, without and with alignment."""
    symmetry, (loss, test) = settings.symmetry(), losses
    *known, new = models
    training = Training(lambda tensors: torch.optim.Adam(tensors, lr=3e-3))

    def near(model: Mapping[str, Tensor], centre: Mapping[str, Tensor]) -> Params:
        return align(model, to=centre, symmetry=symmetry, method=WeightMatching()).params

    plain = star(known, loss, steps=settings.steps, seed=seed, training=training)
    half = max(1, settings.steps // 2)
    matched = star(
        known, loss, None, settings.steps, seed, match=near, match_every=half, training=training
    )
    ways = {
        "lines": [Line(a, b) for a, b in combinations(known, 2)],
        "arms": [plain.arm(k) for k in range(len(known))],
        "aligned lines": [Line(model, near(new, model)) for model in known],
        "arm to a new network": [Line(matched.centre, near(new, matched.centre))],
    }
    return {
        name: torch.stack([along(test, {"": line}, settings.points)[""] for line in lines]).mean(0)
        for name, lines in ways.items()
    }


def _together(test: Loss, points: list[Params]) -> float:
    """The test error of the mean of the probabilities of many models."""
    wrong, samples = 0, 0
    for x, y in test.batches:
        outputs = [torch.func.functional_call(test.model, point, (x,)) for point in points]
        mean = torch.stack(outputs).softmax(-1).mean(0)
        wrong, samples = wrong + int((mean.argmax(-1) != y).sum()), samples + len(y)
    return wrong / samples


def _volumes(region: SimplicialComplex) -> tuple[tuple[float, ...], list[float]]:
    """Logarithms of volumes in float64: the library's, and ``√det G / n!`` of the edges' G."""
    region = replace(region, vertices=tuple(double(dict(one)) for one in region.vertices))
    rows = [torch.cat([t.flatten() for t in one.values()]) for one in region.vertices]
    found = []
    for simplex in region.simplexes:
        first, *others = (rows[k] for k in simplex)
        edges = torch.stack([other - first for other in others])
        volume = torch.linalg.slogdet(edges @ edges.mT).logabsdet / 2
        found.append(float(volume) - math.lgamma(len(edges) + 1))
    return region.log_volumes, found


regions = Experiment(
    "methods.regions",
    "Stars and simplexes of low loss around networks of different seeds",
    f"{LIN}; {SONTHALIA}; {BENTON}",
    {
        Scale.SMOKE: Settings.small(around=2, steps=40, connectors=2, drawn=4),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(
            hidden=(512, 512),
            samples=60000,
            tests=10000,
            epochs=20,
            around=20,
            steps=30000,
            connectors=10,
        ),
    },
    perform,
    ("The sources train convolutional networks; ours are small perceptrons.",),
)
"""What a star knows of networks that it was not trained on needs the symmetries."""

METHODS: tuple[Method, ...] = (
    Method(
        "Star centre",
        LIN,
        "`isthmus.star`",
        "5 networks: barriers of 0.000031 to 0.01 on the fold lines, 1.25 to 16.9 on direct lines",
        regions,
    ),
    Method(
        "Star domain (Starlight)",
        SONTHALIA,
        "`isthmus.star` with `match`",
        "ResNet-18 on CIFAR-10: barrier 0.078 from the star to new networks, 0.383 between two",
        regions,
    ),
    Method(
        "Simplexes of low loss (SPRO)",
        BENTON,
        "`isthmus.simplexes`",
        "Regions of at least 10 dimensions; ensembles from them err 5.7 % where others err 6.2 %",
        regions,
    ),
)
"""What is measured here."""
