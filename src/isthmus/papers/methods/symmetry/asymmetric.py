"""Asymmetric networks: lines between them, against those between aligned standard networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import Tensor, nn

from isthmus.alignment import align
from isthmus.discovery import FiGLU, asymmetric, discover
from isthmus.ground import Params, params_of
from isthmus.landscape import Line
from isthmus.papers.bench import Bench, Check, Experiment, Scale, each
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, beside, chart
from isthmus.papers.methods.method import Measured, Method
from isthmus.papers.methods.symmetry.networks import perceptron_task, rise
from isthmus.papers.tasks import Task

_SOURCE = "Lim, Putterman, Walters, Maron and Jegelka 2024 (NeurIPS)"

KINDS = ("standard", "W-asymmetric", "σ-asymmetric")
LINES = ("standard", "standard, aligned", "W-asymmetric", "σ-asymmetric")
_TONES = ("red", "teal", "blue", "purple")


@dataclass(frozen=True)
class Settings:
    """What is trained.

    Attributes:
        data: ``digits`` or ``fashion``.
        width: Of two hidden layers.
        samples: To train on.
        tests: To test on.
        epochs: Of each training.
        pairs: Of networks of each kind.
        fixed: Share of constants in every row of the W-asymmetric weights.
        spread: Standard deviation of these constants.
        points: On every line.
        headline: Whether the training is long enough for the claims about trained networks.
    """

    data: str = "fashion"
    width: int = 128
    samples: int = 5000
    tests: int = 1000
    epochs: int = 4
    pairs: int = 2
    fixed: float = 0.3
    spread: float = 0.3
    points: int = 11
    headline: bool = True


@dataclass(frozen=True)
class Asymmetric(Measured):
    """Groups, losses between networks of one kind, and losses from start to end of a training.

    Attributes:
        settings: What was run.
        groups: ``(kinds, 2)``: dimension of the group, log of the number of its components.
        between: ``(pairs, lines, points)``: test losses, in the order of `LINES`.
        trained: ``(pairs, kinds, 2, points)``: training losses on the line from the network as it
            began to the network as it ended.
    """

    settings: Settings
    groups: Tensor
    between: Tensor = field(metadata={"json": False})
    trained: Tensor = field(metadata={"json": False})

    @property
    def heights(self) -> dict[str, float]:
        """The mean barrier, by line."""
        return dict(zip(LINES, rise(self.between).mean(0).tolist(), strict=True))

    @property
    def monotone(self) -> dict[str, float]:
        """The share of trainings on whose line the loss never rises, by kind."""
        falls = (self.trained.diff(dim=-1) <= 1e-6).all(-1)
        return dict(zip(KINDS, falls.double().mean((0, 2)).tolist(), strict=True))

    @property
    def measured(self) -> str:
        """In one line."""
        heights = ", ".join(f"{value:.2f} {name}" for name, value in self.heights.items())
        shares = ", ".join(f"{value:.0%} {name}" for name, value in self.monotone.items())
        return f"barriers: {heights}; monotone from start to end: {shares}"

    def arrays(self) -> Params:
        """All of it."""
        return {n: getattr(self, n) for n in ("groups", "between", "trained")}

    def check(self) -> list[Check]:
        """The groups are what they should be; then what the source sees."""
        claims = [
            Check(
                "no symmetry",
                "discovery finds no symmetry in either asymmetric network",
                float(self.groups[1:].sum()),
                source=_SOURCE,
            ),
            Check(
                "symmetry",
                "and finds scales and permutations of all hidden units in the standard one",
                float((self.groups[0] - self._expected()).abs().max()),
                1e-6,
                source=_SOURCE,
            ),
        ]
        return claims + (self._headline() if self.settings.headline else [])

    def _expected(self) -> Tensor:
        width = self.settings.width
        order = torch.lgamma(torch.tensor(width + 1.0, dtype=torch.float64))
        return torch.stack([torch.tensor(2.0 * width, dtype=torch.float64), 2 * order])

    def _headline(self) -> list[Check]:
        heights, shares = self.heights, self.monotone
        return [
            Check(
                "without alignment",
                "the barrier between W-asymmetric networks is at most a fifth of that between "
                "standard ones",
                heights["W-asymmetric"] - heights["standard"] / 5,
                source=_SOURCE,
            ),
            Check(
                "as aligned",
                "it is no higher than between aligned standard networks",
                heights["W-asymmetric"] - heights["standard, aligned"],
                finding="the two are nearly equal, a few hundredths each, on small perceptrons and "
                "few pairs; share and size of the constants are ours",
                source=_SOURCE,
            ),
            Check(
                "monotone",
                "from start to end the loss falls in all trainings of W-asymmetric networks",
                1 - shares["W-asymmetric"],
                source=_SOURCE,
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """The lines between networks, and those of trainings."""
        ts = torch.linspace(0, 1, self.settings.points).tolist()
        between = [
            Series(name, ts, self.between[:, k].mean(0).tolist(), _TONES[k], dots=False)
            for k, name in enumerate(LINES)
        ]
        tones = (_TONES[0], *_TONES[2:])
        trained = [
            Series(name, ts, self.trained[:, k].mean((0, 1)).tolist(), tones[k], dots=False)
            for k, name in enumerate(KINDS)
        ]
        left = chart("Between two networks", Axis("t"), Axis("test loss"), between)
        right = chart("From start to end", Axis("t"), Axis("training loss", log=True), trained)
        return {"asymmetric": beside("Networks without symmetry", left, right)}

    def __str__(self) -> str:
        rows = [[name, f"{value:.4f}"] for name, value in self.heights.items()]
        return table(("line", "barrier"), rows)


def perform(bench: Bench, settings: Settings) -> Asymmetric:
    """A step for each training and each pair."""
    parts = {f"pair-{k}": (settings, k) for k in range(settings.pairs)}
    found = each(bench, _pair, parts)
    groups = []
    for task in _tasks(settings):
        symmetry = discover(task.fresh(), task.x[:1])
        groups.append([float(symmetry.lie_dim), symmetry.log_components])
    stacked = {name: torch.stack([one[name] for one in found]) for name in found[0]}
    return Asymmetric(settings, torch.tensor(groups, dtype=torch.float64), **stacked)


def _pair(bench: Bench, part: tuple[Settings, int]) -> Params:
    settings, pair = part
    return bench.step(f"pair-{pair}", partial(_measured, bench, settings, pair))


def _measured(bench: Bench, settings: Settings, pair: int) -> Params:
    seeds = [bench.seed + 2 * pair + k for k in range(2)]
    ts = [k / (settings.points - 1) for k in range(settings.points)]
    between, trained = [], []
    for kind, task in zip(KINDS, _tasks(settings), strict=True):
        a, b = (task.trained(bench, seed, epochs=settings.epochs) for seed in seeds)
        ends = [b]
        if kind == KINDS[0]:
            symmetry = discover(task.fresh(), task.x[:1])
            ends.append(align(b, to=a, symmetry=symmetry, seed=bench.seed).params)
        loss, own = task.loss(test=True), task.loss(1000)
        between += [[one.loss for one in loss.along(Line(a, end), ts)] for end in ends]
        lines = [
            Line(params_of(task.fresh(seed)), end) for seed, end in zip(seeds, (a, b), strict=True)
        ]
        trained.append([[one.loss for one in own.along(line, ts)] for line in lines])
    return {"between": torch.tensor(between), "trained": torch.tensor(trained)}


def _tasks(settings: Settings) -> tuple[Task, Task, Task]:
    """One for each of `KINDS`."""
    widths = (settings.width, settings.width)
    plain = perceptron_task(settings.data, widths, settings.samples, settings.tests)

    def weights() -> nn.Module:
        return asymmetric(plain.build(), fixed=settings.fixed, spread=settings.spread)

    def gates() -> nn.Module:
        model = plain.build()
        for name, module in list(model.named_children()):
            if isinstance(module, nn.ReLU):
                setattr(model, name, FiGLU(settings.width, seed=int(name)))
        return model

    return (
        plain,
        replace(plain, name=f"{plain.name}-weights", build=weights),
        replace(plain, name=f"{plain.name}-gates", build=gates),
    )


experiment = Experiment(
    "methods.asymmetric",
    "Networks without symmetry need no alignment",
    _SOURCE,
    {
        Scale.SMOKE: Settings("digits", 12, 300, 100, 1, 1, points=5, headline=False),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(
            width=512, samples=60000, tests=10000, epochs=20, pairs=10, points=25
        ),
    },
    perform,
    (
        "The source trains perceptrons, ResNets and graph networks; a perceptron is ours.",
        "The share of constants and their size are ours: the source's are not known to us.",
    ),
)
"""Constants in every row take all symmetry away, and most of the barrier."""

METHODS = (
    Method(
        "Asymmetric networks",
        _SOURCE,
        "`isthmus.asymmetric`, `isthmus.FiGLU`",
        "without symmetry networks interpolate at least as well as aligned standard ones; reports "
        "monotone lines from start to end in 300 of 300, against 26.3 %",
        experiment,
    ),
)
