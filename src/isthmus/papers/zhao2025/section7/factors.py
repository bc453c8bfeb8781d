"""Alignment by the larger group: what each of its parts adds to merging."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from isthmus.algebra import Symmetry
from isthmus.algebra.groups import Permutation
from isthmus.alignment import align
from isthmus.discovery import discover
from isthmus.ground import Params, double
from isthmus.merging import Factors
from isthmus.merging import factors as by_stages
from isthmus.merging.factors import STAGES
from isthmus.papers.bench import Bench, Check, Experiment, Findings, Scale, each
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, beside, chart
from isthmus.papers.zhao2025.section7.families import FAMILIES

_SOURCE = "Zhao, Dehmamy, Walters and Yu 2025, section 7"
NAMES = tuple(name for name, _ in STAGES)
NORMED = ("convolution", "gpt")
"""Families with norms, in front of which lengths end as the target's."""
FIGURES = ("distance", "barrier", "merged loss", "merged accuracy", "directions")
"""Of every stage, in the order of the array."""


@dataclass(frozen=True)
class Settings:
    """What is trained, and how lines are measured.

    Attributes:
        families: Of `FAMILIES`.
        samples: Training samples; of language, windows: a quarter as many.
        tests: Test samples.
        epochs: Of each training.
        seeds: Pairs of each family.
        points: On every line.
        shown: Training samples that barriers are measured on.
        trained: Whether the networks are trained far enough for claims about them.
    """

    families: tuple[str, ...]
    samples: int
    tests: int
    epochs: int
    seeds: int
    points: int
    shown: int
    trained: bool = True


@dataclass(frozen=True)
class Gains(Findings):
    """What each part of the group adds.

    Attributes:
        settings: What was run.
        figures: ``(families, seeds, stages, figures)``; NaN where a family has none of a stage.
        ends: ``(families, seeds, 2)``: mean loss and accuracy of the models, on test data.
        planted: ``(families, seeds, 2)``: distances of a model from a copy of it, moved by the
            whole group, that permutations and the whole group find, over that before.
    """

    settings: Settings
    figures: Tensor = field(metadata={"json": False})
    ends: Tensor = field(metadata={"json": False})
    planted: Tensor

    def arrays(self) -> Params:
        """All of it."""
        return {"figures": self.figures, "ends": self.ends, "planted": self.planted}

    def of(self, family: str, figure: str) -> Tensor:
        """Means over the seeds, ``(stages,)``; a stage that adds nothing has those before it."""
        k = self.settings.families.index(family)
        values = self.figures[k, :, :, FIGURES.index(figure)].mean(0)
        for stage in range(1, len(values)):
            if values[stage].isnan():
                values[stage] = values[stage - 1]
        return values

    def check(self) -> list[Check]:
        """What is exact, then what was seen."""
        distances = [
            self.of(one, "distance") for one in self.settings.families if one not in NORMED
        ]
        rise = max(float((one.diff() / one[0]).max()) for one in distances)
        found = [
            Check(
                "planted",
                "a copy moved by the whole group is found again by the whole group (distance over "
                "that before)",
                float(self.planted[..., 1].max()),
                1e-6,
            ),
            Check(
                "not by less",
                "and not by permutations",
                1e-2 - float(self.planted[..., 0].min()),
            ),
            Check("nested", "without norms, no larger subgroup ends further away", rise, 1e-6),
        ]
        return [*found, *(self._seen() if self.settings.trained else [])]

    def _seen(self) -> list[Check]:
        """The claims that need training, for every family in which they can be made."""
        claims = (
            ("permutations", "nothing", ("perceptron", "bottleneck", "convolution", "gpt"), 0.9),
            ("rotations", "signs", ("bottleneck", "gpt"), 0.9),
            (
                "scales",
                "rotations",
                ("rescaled", "rescaled, decayed", "perceptron", "convolution"),
                0.9,
            ),
            ("shears", "scales", ("bottleneck", "gpt"), 0.98),
        )
        found = []
        for stage, before, families, share in claims:
            for family in families:
                barrier = self.of(family, "barrier")
                now, then = (float(barrier[NAMES.index(one)]) for one in (stage, before))
                claim = (
                    f"{stage} take the barrier of the {family} network from {then:.3g} to "
                    f"{now:.3g}, {share:.0%} of it or less"
                )
                name = f"{stage}, {family}"
                found.append(Check(name, claim, now / then - share, finding=_WHY.get(name, "")))
        return [*found, self._evened()]

    def _evened(self) -> Check:
        """Weight decay against what scales have to give."""
        stages = [NAMES.index(one) for one in ("permutations", "scales")]
        kept = [
            float(self.of(family, "distance")[stages[1]] / self.of(family, "distance")[stages[0]])
            for family in ("rescaled", "rescaled, decayed")
        ]
        return Check(
            "weight decay",
            "scales shorten the distance between networks that started unevenly scaled to "
            f"{kept[0]:.0%}, and after weight decay, which makes them even, to {kept[1]:.0%}",
            kept[0] - kept[1],
            source="the charge W Wᵀ - Vᵀ V is kept by gradient flow, and decays with the weights",
        )

    def draw(self) -> Mapping[str, Picture]:
        """The barrier at every stage, over that of nothing; and the merged accuracy."""
        panels = []
        labels = {"barrier": "barrier, over that of nothing", "merged accuracy": "accuracy"}
        for figure, label in labels.items():
            series = []
            for family, (tone, dash) in zip(self.settings.families, _TONES, strict=False):
                values = self.of(family, figure)
                shown = values / values[0] if figure == "barrier" else values
                places = list(range(len(NAMES)))
                series.append(Series(family, places, shown.tolist(), tone, dash=dash))
            axis = Axis(", ".join(f"{k} {name}" for k, name in enumerate(NAMES)))
            panels.append(chart(figure, axis, Axis(label), series, width=620))
        return {"factors": beside("What each part of the group adds", *panels, columns=1)}

    def __str__(self) -> str:
        rows = []
        for k, family in enumerate(self.settings.families):
            ends = self.ends[k].mean(0)
            for j, stage in enumerate(NAMES):
                values = self.figures[k, :, j].mean(0)
                if not values.isnan().any():
                    figures = [f"{float(x):.4g}" for x in values[:4]]
                    rows.append([f"{family}: {stage}", f"{int(values[4])}", *figures])
            rows.append([f"{family}: the models", "", "", "", *(f"{float(x):.4g}" for x in ends)])
        return table(("aligned by", "directions", *FIGURES[:4]), rows)


_WHY: Mapping[str, str] = {
    "scales, perceptron": "From a common initialisation units are scaled alike, and training keeps "
    "that: rescalings have little to give.",
    "scales, rescaled, decayed": "Weight decay has made the units even again: rescalings have "
    "nothing left to give.",
    "shears, gpt": "Queries and keys, values and outputs begin evenly scaled, and training nearly "
    "keeps that: once rotated, they have little left to be sheared.",
    "scales, convolution": "Around a BatchNorm rescalings leave the weights about as near as they "
    "were, and the middle is worse: the distance stands in for the loss, here not well.",
}
"""Where claims do not hold, why."""
_TONES = (("teal", 0.0), ("red", 0.0), ("purple", 0.0), ("ink", 0.0), ("soft", 0.0), ("teal", 4.0))
"""Colour and dash of each family."""


def perform(bench: Bench, settings: Settings) -> Gains:
    """A step for each pair."""
    parts = {
        f"{family} {seed}": (settings, family, seed)
        for family in settings.families
        for seed in range(settings.seeds)
    }
    found = each(bench, _pair, parts)
    count = len(settings.families)
    keys = ("figures", "ends", "planted")
    rows = {k: torch.stack([one[k] for one in found]) for k in keys}
    return Gains(settings, **{k: t.reshape(count, -1, *t.shape[1:]) for k, t in rows.items()})


def _pair(bench: Bench, part: tuple[Settings, str, int]) -> Params:
    settings, family, seed = part
    name = f"{family.replace(', ', '-')}-{seed}"
    return bench.step(f"factors-{name}", partial(_measured, bench, settings, family, seed))


def _measured(bench: Bench, settings: Settings, family: str, seed: int) -> Params:
    kind = FAMILIES[family]
    samples = settings.samples // 4 if family == "gpt" else settings.samples
    task = kind.task().fewer(samples, settings.tests)
    start = 1000 * bench.seed + 2 * seed
    a, b = kind.pair(bench, family.replace(", ", "-"), task, settings.epochs, start)
    symmetry = discover(task.fresh(), task.x[:1])
    loss, test = task.loss(settings.shown), task.loss(test=True)
    statistics = list(loss.batches)[:5]
    found = by_stages(
        a, b, loss, symmetry, test=test, points=settings.points, seed=seed, statistics=statistics
    )
    return {
        "figures": _figures(found),
        "ends": torch.tensor([[one.loss, one.metrics["accuracy"]] for one in found.ends]).mean(0),
        "planted": _found_again(symmetry, a, seed),
    }


def _found_again(symmetry: Symmetry, params: Params, seed: int) -> Tensor:
    """Distances from a copy by permutations and by the whole group, over that before: ``(2,)``."""
    wide = double(params)
    copy = symmetry.act(symmetry.sample(seed=seed, scale=0.2), wide)
    groups = (symmetry.restrict(Permutation), symmetry)
    fits = [align(copy, to=wide, symmetry=group, seed=seed) for group in groups]
    return torch.tensor([fit.after / fit.before for fit in fits], dtype=torch.float64)


def _figures(found: Factors) -> Tensor:
    rows = torch.full((len(NAMES), len(FIGURES)), torch.nan, dtype=torch.float64)
    for one in found.stages:
        scores = (one.merged.loss, one.merged.metrics["accuracy"])
        row = (one.distance, one.barrier.height, *scores, one.lie_dim)
        rows[NAMES.index(one.added)] = torch.tensor(row, dtype=torch.float64)
    return rows


factors = Experiment(
    "zhao2025.factors",
    "Alignment by the larger group: what each part of it adds to merging",
    _SOURCE,
    {
        Scale.SMOKE: Settings(("digits",), 200, 100, 2, 1, 3, 100, trained=False),
        Scale.QUICK: Settings(tuple(FAMILIES)[1:], 5000, 1000, 4, 1, 11, 1000),
        Scale.PAPER: Settings(tuple(FAMILIES)[1:], 60000, 10000, 20, 5, 25, 5000),
    },
    perform,
    ("The paper names alignment as a use of the group and measures none: all settings are ours.",),
)
"""Rotations and shears where linear maps meet, scales where training left them uneven."""
