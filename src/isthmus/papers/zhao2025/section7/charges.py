"""Section 7: conserved quantities along real training, and how weight decay makes them decay.

Gradient flow conserves a charge for every scale and shear of the group. Steps are no flow, momentum
none either, and weight decay shrinks what is conserved: all of it is predicted, and measured at
every step of a training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import partial

import torch
from torch import Tensor

from isthmus.algebra import Symmetry
from isthmus.discovery import discover
from isthmus.ground import Params
from isthmus.landscape import ChargeMonitor, ChargeRecord, Decay
from isthmus.papers.bench import Bench, Check, Experiment, Findings, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, beside, chart
from isthmus.papers.tasks import Task
from isthmus.papers.zhao2025.section7.problems import PROBLEMS

_SOURCE = "Zhao, Dehmamy, Walters and Yu 2025, section 7; Kunin et al. 2021"
_TONES = ("grey", "teal", "amber", "blue")
_KEPT = ("left", "off", "counts")
OFF = ("drift", "off_flow", "off_descent")
"""What a record tells, in the order of the array."""


@dataclass(frozen=True)
class Descent:
    """The settings of SGD."""

    lr: float
    weight_decay: float = 0.0
    momentum: float = 0.0

    @property
    def decay(self) -> Decay:
        """What they do to charges."""
        return Decay(self.lr, self.weight_decay, self.momentum)


@dataclass(frozen=True)
class Settings:
    """What is trained, and how.

    Attributes:
        problems: Names in `PROBLEMS`.
        descents: By name. All have the same step size over one minus momentum, so that they go
            about as far, and the same weight decay or none.
        steps: Of each training, with batches of 64.
    """

    problems: tuple[str, ...] = ("fashion", "gpt")
    steps: int = 150
    rate: float = 0.1
    weight_decay: float = 0.01

    @property
    def descents(self) -> Mapping[str, Descent]:
        """By name."""
        slow = self.rate / 10
        return {
            "plain": Descent(self.rate),
            "weight decay": Descent(self.rate, self.weight_decay),
            "momentum": Descent(slow, 0.0, 0.9),
            "both": Descent(slow, self.weight_decay, 0.9),
        }


@dataclass(frozen=True)
class Conserved(Findings):
    """Charges along trainings.

    Attributes:
        settings: What was run.
        left: ``(problems, descents, steps + 1)``: the share of the first charges that is left: the
            part of all charges along them.
        off: ``(problems, descents, steps, 3)``: how far charges are from where they began, from
            those of gradient flow, and from what is predicted of descent; the largest over the
            spaces, each relative to the squared norm of what it moves.
        counts: ``(problems,)``: how many charges there are.
    """

    settings: Settings
    left: Tensor = field(metadata={"json": False})
    off: Tensor = field(metadata={"json": False})
    counts: Tensor

    def arrays(self) -> Params:
        """All of it."""
        return {"left": self.left, "off": self.off, "counts": self.counts}

    def predicted(self, name: str) -> list[float]:
        """The share that is left if there is weight decay alone, step after step."""
        decay = self.settings.descents[name].decay
        return [decay.after(step) for step in range(self.settings.steps + 1)]

    def check(self) -> list[Check]:
        """Charges follow what is predicted of each step; over many, they decay as said."""
        names = list(self.settings.descents)
        ends = torch.tensor([self.predicted(name)[-1] for name in names], dtype=torch.float64)
        missed = (self.left[:, :, -1] / ends - 1).abs()
        drifts = self.off[:, :, -1, OFF.index("drift")]
        decaying = [names.index("weight decay"), names.index("both")]
        resting = [names.index("plain"), names.index("momentum")]
        return [
            Check(
                "law of descent",
                "at every step all charges are those that the law of SGD predicts, relative to "
                "the squared norm of what they move",
                float(self.off[..., OFF.index("off_descent")].max()),
                1e-9,
                source=_SOURCE,
            ),
            Check(
                "decay",
                "what weight decay leaves of the charges is as predicted (relative)",
                float(missed[:, decaying].max()),
                0.1,
                source="Kunin et al. 2021",
            ),
            Check(
                "conservation",
                "without weight decay, what is left of them is all (relative)",
                float(missed[:, resting].max()),
                0.1,
                source="Zhao et al. 2023",
            ),
            Check(
                "no flow",
                "yet steps are no flow: without the law's term of second order charges drift",
                1e-6 - float(drifts[:, resting].min()),
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """A panel for each problem: the share that is left, and what is predicted of it."""
        steps = list(range(self.settings.steps + 1))
        panels = []
        for k, problem in enumerate(self.settings.problems):
            series = []
            for row, (name, tone) in enumerate(zip(self.settings.descents, _TONES, strict=True)):
                left = self.left[k, row].tolist()
                series += [
                    Series(name, steps, left, tone, dots=False),
                    Series("", steps, self.predicted(name), tone, dash=4, dots=False),
                ]
            panels.append(chart(problem, Axis("step"), Axis("share of the charges left"), series))
        title = "Charges along a training; dashed: weight decay alone"
        return {"charges": beside(title, *panels)}

    def __str__(self) -> str:
        rows = []
        for k, problem in enumerate(self.settings.problems):
            for row, name in enumerate(self.settings.descents):
                off = [f"{x:.1e}" for x in self.off[k, row, -1].tolist()]
                left = f"{float(self.left[k, row, -1]):.4f}"
                rows.append([f"{problem}, {name}", left, f"{self.predicted(name)[-1]:.4f}", *off])
        head = ("training", "left", "predicted", "drift", "off flow", "off the law")
        return table(head, rows)


def perform(bench: Bench, settings: Settings) -> Conserved:
    """A step for each training."""
    total = len(settings.problems) * len(settings.descents)
    rows = []
    for k, problem in enumerate(settings.problems):
        task = PROBLEMS[problem]()
        symmetry = discover(task.fresh(), task.x[:1], gauge="asis")
        for row, (name, descent) in enumerate(settings.descents.items()):
            bench.tell(f"{problem}: {name}", k * len(settings.descents) + row, total)
            work = partial(_followed, task, symmetry, descent, settings.steps, bench.seed)
            rows.append(bench.step(f"{problem}-{name.replace(' ', '-')}", work))
    shape = (len(settings.problems), len(settings.descents))
    left, off, counts = (torch.stack([row[key] for row in rows]) for key in _KEPT)
    return Conserved(
        settings,
        left.view(*shape, -1),
        off.view(*shape, settings.steps, len(OFF)),
        counts.view(shape)[:, 0],
    )


def _followed(task: Task, symmetry: Symmetry, descent: Descent, steps: int, seed: int) -> Params:
    """One training in float64, its charges followed at every step."""
    model = task.fresh(seed).double()
    options = {one.name: getattr(descent, one.name) for one in fields(descent)}
    optimiser = torch.optim.SGD(model.parameters(), **options)
    monitor = ChargeMonitor(symmetry, model, optimiser)
    first = _all(monitor)
    left, off = [1.0], []
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        index = torch.randint(len(task.x), (64,), generator=generator)
        x = task.x[index]
        optimiser.zero_grad()
        outputs = model(x.double() if x.is_floating_point() else x)
        task.criterion(outputs, task.y[index]).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        off.append(_largest(monitor.record()))
        now = _all(monitor)
        left.append(float(now @ first / (first @ first)))
    return {
        "left": torch.tensor(left, dtype=torch.float64),
        "off": torch.tensor(off, dtype=torch.float64),
        "counts": torch.tensor(len(first)),
    }


def _all(monitor: ChargeMonitor) -> Tensor:
    return torch.cat([charge.flatten() for charge in monitor.charges.values.values()])


def _largest(record: ChargeRecord) -> list[float]:
    return [max(getattr(record, name).values()) for name in OFF]


charges = Experiment(
    "zhao2025.charges",
    "Conserved quantities along real training, and their decay",
    _SOURCE,
    {
        Scale.SMOKE: Settings(("digits",), 30),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(steps=5000),
    },
    perform,
    ("The networks, their data and the settings of SGD are ours; all in float64.",),
)
"""Section 7 names conserved quantities as what symmetry says of training."""
