"""Cheap ensembles from one model, along its orbit and off it, against deep ensembles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from isthmus.ground import Params
from isthmus.merging import EnsembleScores
from isthmus.papers.bench import Bench, Check, Experiment, Findings, Scale, each
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, beside, chart
from isthmus.papers.tasks import Task, digits_perceptron, fashion_perceptron, tiny_gpt
from isthmus.papers.zhao2025.section7.renaming import renamed
from isthmus.papers.zhao2025.section7.ways import Budget, Workshop

_SOURCE = "Zhao, Dehmamy, Walters and Yu 2025, section 7"
WAYS = (
    "single", "trained longer", "orbit", "data symmetry", "curve", "simplex", "trained on",
    "from the orbit", "from data symmetry", "snapshots", "deep, equal cost", "deep",
)  # fmt: skip
"""The rows of the table."""
FIGURES = (
    "accuracy", "loss", "calibration error", "disagreement", "spread", "mean loss", "steps",
    "passes",
)  # fmt: skip
"""Of every row, in the order of the array."""
CHEAP = ("curve", "simplex", "trained on", "from the orbit", "from data symmetry", "snapshots")
"""Ways from one model that are trained, at equal cost."""


@dataclass(frozen=True)
class Settings:
    """What is trained.

    Attributes:
        networks: Of ``digits``, ``perceptron`` (Fashion-MNIST) and ``gpt`` (tinyshakespeare).
        samples: Training samples of each; so ``tests``.
        budgets: For each.
        seeds: How often everything is done.
        trained: Whether the networks are trained far enough for claims about them.
    """

    networks: tuple[str, ...]
    samples: tuple[int, ...]
    tests: tuple[int, ...]
    budgets: tuple[Budget, ...]
    seeds: int
    trained: bool = True


@dataclass(frozen=True)
class Table(Findings):
    """What every way to an ensemble gives.

    Attributes:
        settings: What was run.
        figures: ``(networks, seeds, ways, figures)``.
        renamed: ``(networks, seeds, 2)``: how far apart gradient descent ends from a permuted copy,
            and from one moved by the whole group.
    """

    settings: Settings
    figures: Tensor = field(metadata={"json": False})
    renamed: Tensor

    def arrays(self) -> Params:
        """All of it."""
        return {"figures": self.figures, "renamed": self.renamed}

    def of(self, way: str, figure: str) -> Tensor:
        """``(networks, seeds)``."""
        return self.figures[:, :, WAYS.index(way), FIGURES.index(figure)]

    def check(self) -> list[Check]:
        """What is exact, then what was seen."""
        return [*self._exact(), *(self._seen() if self.settings.trained else [])]

    def _exact(self) -> list[Check]:
        excess = self.figures[..., FIGURES.index("loss")]
        excess = excess - self.figures[..., FIGURES.index("mean loss")]
        steps = [self.of(way, "steps") for way in (*CHEAP, "trained longer", "deep, equal cost")]
        unequal = max(float((one - steps[0]).abs().max()) for one in steps)
        return [
            Check(
                "one function",
                "members of one orbit say the same: spread of probabilities, no disagreement",
                float((self.of("orbit", "spread") + self.of("orbit", "disagreement")).max()),
                1e-9,
                source="Theorem: the action keeps the function",
            ),
            Check(
                "no gain",
                "so their ensemble has the loss of the single model",
                float((self.of("orbit", "loss") - self.of("single", "loss")).abs().max()),
                1e-9,
            ),
            Check(
                "Jensen",
                "no ensemble has a larger negative log likelihood than its members on the mean",
                float(excess.max()),
                1e-9,
            ),
            Check("equal cost", "all but orbit, data and deep make the same steps", unequal),
            Check(
                "renaming",
                "gradient descent from a permuted copy ends at the same function",
                float(self.renamed[..., 0].max()),
                1e-9,
            ),
            Check(
                "scales",
                "from a copy moved by the whole group it ends at another one",
                1e-6 - float(self.renamed[..., 1].min()),
            ),
        ]

    def _seen(self) -> list[Check]:
        """The claims that need training; losses are means over the seeds."""
        found = []
        for k, network in enumerate(self.settings.networks):
            loss = {way: float(self.of(way, "loss")[k].mean()) for way in WAYS}
            loss["best cheap"] = min(loss[way] for way in CHEAP)
            for name, claim, one, other in _CLAIMS:
                said = f"{claim}: {loss[one]:.4f}, {loss[other]:.4f}"
                off = loss[one] - loss[other]
                found.append(Check(f"{name}, {network}", said, off, finding=_WHY.get(name, "")))
            first = loss["from the orbit"] / loss["trained on"] - 1
            claim = f"moving along the orbit before training on changes the loss by {first:+.2%}"
            found.append(Check(f"orbit first, {network}", claim, abs(first), 0.02))
        return found

    def draw(self) -> Mapping[str, Picture]:
        """Loss against cost, a panel for each network."""
        panels = []
        for k, name in enumerate(self.settings.networks):
            series = [
                Series(
                    way,
                    [float(self.of(way, "steps")[k].mean())],
                    [float(self.of(way, "loss")[k].mean())],
                    _tone(way),
                    line=False,
                )
                for way in WAYS
            ]
            axes = (Axis("steps, the model's own included"), Axis("negative log likelihood"))
            panels.append(chart(name, *axes, series, width=520))
        return {"ensembles": beside("Ensembles and what they cost", *panels)}

    def __str__(self) -> str:
        means = self.figures.mean(1)
        rows = [
            [
                f"{name}: {way}",
                f"{int(means[k, j, 6])}",
                *(f"{float(x):.4f}" for x in means[k, j, :4]),
                f"{float(means[k, j, 5]):.4f}",
            ]
            for k, name in enumerate(self.settings.networks)
            for j, way in enumerate(WAYS)
        ]
        return table(("way", "steps", *FIGURES[:4], "mean loss of members"), rows)


_CLAIMS = (
    ("cheap", "the best cheap ensemble that is trained beats its model", "best cheap", "single"),
    ("steps", "and one model trained for as many steps", "best cheap", "trained longer"),
    ("data", "data-dependent copies, untrained, beat the model", "data symmetry", "single"),
    ("deep, equal", "a deep ensemble at equal cost beats it", "deep, equal cost", "best cheap"),
    ("deep", "a deep ensemble of full trainings beats it, at its own cost", "deep", "best cheap"),
)
"""Which of two ways has the lower loss, one would think."""

_WHY: Mapping[str, str] = {
    "steps": "The network is far from trained at this scale: there, more steps of one model gain "
    "more than the mean of several does.",
    "data": "Readers keep the model's outputs only approximately, so every member is a little "
    "worse than the model; the mean takes back part of that, and what is common to all stays.",
    "deep, equal": "Each training from scratch gets a part of the steps, at this scale too few; "
    "cheap members share what their model has learned.",
    "deep": "Its members have the steps of a single model, those of cheap ensembles some more; at "
    "this scale these count for more than independence.",
}
"""Where claims do not hold, why."""


def _tone(way: str) -> str:
    if way.startswith("deep"):
        return "red"
    return "teal" if way in CHEAP else "purple" if way in ("orbit", "data symmetry") else "ink"


def perform(bench: Bench, settings: Settings) -> Table:
    """A step for every way, of every network and seed."""
    parts = {
        f"{name} {seed}": (settings, k, seed)
        for k, name in enumerate(settings.networks)
        for seed in range(settings.seeds)
    }
    found = each(bench, _network, parts)
    count = len(settings.networks)
    rows = {key: torch.stack([one[key] for one in found]) for key in ("figures", "renamed")}
    return Table(settings, **{k: t.reshape(count, -1, *t.shape[1:]) for k, t in rows.items()})


def _network(bench: Bench, part: tuple[Settings, int, int]) -> Params:
    settings, k, seed = part
    name = settings.networks[k]
    task = _TASKS[name]().fewer(settings.samples[k], settings.tests[k])
    workshop = Workshop(bench, task, settings.budgets[k], 1000 * bench.seed + seed)
    rows = []
    for way in WAYS:
        bench.tell(way, 0, 1)
        step = f"{name}-{seed}-{way.replace(' ', '-').replace(',', '')}"
        rows.append(bench.step(step, partial(_row, workshop, way))["row"])
    apart = bench.step(
        f"{name}-{seed}-renaming", lambda: {"off": renamed(task, workshop.base, seed)}
    )
    return {"figures": torch.stack(rows), "renamed": apart["off"]}


def _row(workshop: Workshop, way: str) -> Params:
    members, cost = workshop.ways[way]()
    scores: EnsembleScores = workshop.scores(members)
    metrics = scores.ensemble.metrics
    figures = (metrics["accuracy"], scores.loss, metrics["calibration error"], scores.disagreement)
    more = (scores.spread, scores.mean_loss, cost.steps, cost.passes)
    return {"row": torch.tensor([*figures, *more], dtype=torch.float64)}


_TASKS: Mapping[str, Callable[[], Task]] = {
    "digits": lambda: digits_perceptron(16),
    "perceptron": lambda: fashion_perceptron(128, 128),
    "gpt": tiny_gpt,
}

_PERCEPTRON = Budget(epochs=8, members=5, cycle=3, rate=2e-3, fitted=2000)
_GPT = Budget(epochs=6, members=4, cycle=2, rate=5e-3, fitted=200, batch=16)

ensembles = Experiment(
    "zhao2025.ensembles",
    "Cheap ensembles from one model, against deep ensembles at equal cost",
    _SOURCE,
    {
        Scale.SMOKE: Settings(("digits",), (128,), (100,), (Budget(1, 3, 1, 5e-3, 50),), 1, False),
        Scale.QUICK: Settings(
            ("perceptron", "gpt"), (5000, 1000), (2000, 300), (_PERCEPTRON, _GPT), 1
        ),
        Scale.PAPER: Settings(
            ("perceptron", "gpt"),
            (60000, 30000),
            (10000, 3000),
            (Budget(20, 5, 5, 2e-3, 10000), Budget(20, 5, 5, 5e-3, 500)),
            5,
        ),
    },
    perform,
    ("The paper proposes such ensembles and measures none: all settings are ours.",),
)
"""What members from one model are worth."""
