"""Section 7: teleportation, that is, training that moves along its orbit now and then.

The study compares plain training with one that teleports, to where the gradient is larger or the
Hessian's trace smaller, each at the step size that suits it best: by the last training loss. Moves
along the orbit count as the passes over a batch that they take.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from isthmus.ground import Params
from isthmus.papers.bench import Bench, Check, Experiment, Findings, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, beside, chart
from isthmus.papers.zhao2025.section7.jumping import PLANS, run
from isthmus.papers.zhao2025.section7.problems import PROBLEMS

_SOURCE = "Zhao, Dehmamy, Walters and Yu 2025, section 7; Zhao et al. 2022 and 2024"
_TONES = ("grey", "teal", "blue", "amber")
WINDOW = 10
"""So many losses of batches are averaged."""


@dataclass(frozen=True)
class Settings:
    """What is trained.

    Attributes:
        problems: Names in `PROBLEMS`.
        rates: For each problem the step sizes of SGD that are tried, from the least.
        reach: For each problem how far a step on the group goes at most, in log-scales.
        steps: Of each training, with batches of 64.
        seeds: Trainings at each step size.
    """

    problems: tuple[str, ...] = ("fashion", "gpt")
    rates: tuple[tuple[float, ...], ...] = ((0.1, 0.3, 0.6), (0.3, 0.6, 1.0))
    reach: tuple[float, ...] = (0.1, 0.02)
    steps: int = 100
    seeds: int = 2
    trained: bool = True


@dataclass(frozen=True)
class Teleported(Findings):
    """Losses along the trainings.

    Attributes:
        settings: What was run.
        losses: ``(problems, plans, rates, seeds, steps)``: of the batches; infinite once diverged.
        tests: ``(problems, plans, rates, seeds, 2)``: test loss and share of right answers at last.
        moves: ``(problems, plans, rates, seeds, 2)``: the largest relative change of the loss by a
            move, in float64, and the least fall of what the move is to lower.
        passes: ``(plans, steps)``: passes over a batch up to each step.
    """

    settings: Settings
    losses: Tensor = field(metadata={"json": False})
    tests: Tensor = field(metadata={"json": False})
    moves: Tensor = field(metadata={"json": False})
    passes: Tensor = field(metadata={"json": False})

    def arrays(self) -> Params:
        """All of it."""
        return {name: getattr(self, name) for name in ("losses", "tests", "moves", "passes")}

    @property
    def smooth(self) -> Tensor:
        """Means over the seeds and the last batches: ``(problems, plans, rates, n)``."""
        return self.losses.unfold(-1, WINDOW, 1).mean(-1).mean(3)

    def best(self, problem: int, plan: int) -> int:
        """The step size with the least last training loss."""
        return int(self.smooth[problem, plan, :, -1].argmin())

    def level(self, problem: int) -> float:
        """The loss that plain training has after half of its steps, at its best step size."""
        curve = self.smooth[problem, 0, self.best(problem, 0)]
        return float(curve[len(curve) // 2])

    def reached(self, problem: int, plan: int) -> float:
        """Passes over a batch until that level, at the plan's best step size; infinite if never."""
        below = self.smooth[problem, plan, self.best(problem, plan)] <= self.level(problem)
        if not bool(below.any()):
            return float("inf")
        return float(self.passes[plan, int(below.int().argmax()) + WINDOW - 1])

    def test(self, problem: int, plan: int) -> tuple[float, float]:
        """Mean test loss and share of right answers, at the plan's best step size."""
        loss, right = self.tests[problem, plan, self.best(problem, plan)].mean(0).tolist()
        return loss, right

    def check(self) -> list[Check]:
        """Moves keep the function and lower what they are to; then what the sources report."""
        moved = self.moves[:, 1:][self.moves[:, 1:].isfinite().all(-1)]
        steepest = self.moves[:, 1:3, ..., 1]
        return [
            Check(
                "same function",
                "no move changes the loss (relative, float64)",
                float(moved[:, 0].max()),
                1e-9,
                source=_SOURCE,
            ),
            Check(
                "steeper",
                "every move to a steeper point makes the gradient larger",
                -float(steepest[steepest.isfinite()].min()),
                source="Zhao et al. 2022",
            ),
            *(self._trained() if self.settings.trained else []),
        ]

    def _trained(self) -> list[Check]:
        found = []
        for k, name in enumerate(self.settings.problems):
            early = self.smooth[k, :, 0, : self.settings.steps // 4].mean(-1)
            found.append(
                Check(
                    f"{name}: at one step size",
                    "from a steeper start, training at the least step size falls faster (mean loss "
                    f"of the first quarter: {early[1]:.3f} against {early[0]:.3f})",
                    float(early[1] - early[0]),
                    source="Zhao et al. 2022",
                )
            )
            mine = min(self.reached(k, plan) for plan in (1, 2))
            found.append(
                Check(
                    f"{name}: at the best step size",
                    f"it reaches a loss of {self.level(k):.3f} in fewer passes ({mine:.0f} against "
                    f"{self.reached(k, 0):.0f})",
                    min(mine, 1e9) - self.reached(k, 0),
                    finding=_FASTER,
                    source="Zhao et al. 2022",
                )
            )
            flat, plain = self.test(k, 3)[0], self.test(k, 0)[0]
            found.append(
                Check(
                    f"{name}: flatter",
                    f"from flatter points, the test loss is lower ({flat:.4f} against {plain:.4f})",
                    flat - plain,
                    finding=_FLATTER,
                    source="Zhao et al. 2024",
                )
            )
        return found

    def draw(self) -> Mapping[str, Picture]:
        """The training losses, each plan at its best step size."""
        panels = []
        for k, problem in enumerate(self.settings.problems):
            series = []
            for plan, (name, tone) in enumerate(zip(PLANS, _TONES, strict=True)):
                curve = self.smooth[k, plan, self.best(k, plan)].tolist()
                passes = self.passes[plan, WINDOW - 1 :].tolist()
                series.append(Series(name, passes, curve, tone, dots=False))
            panels.append(
                chart(problem, Axis("passes over a batch"), Axis("training loss"), series)
            )
        title = "Teleportation, each training at its best step size"
        return {"teleportation": beside(title, *panels)}

    def __str__(self) -> str:
        rows = []
        for k, problem in enumerate(self.settings.problems):
            for plan, name in enumerate(PLANS):
                place, (test, right) = self.best(k, plan), self.test(k, plan)
                rate, last = self.settings.rates[k][place], float(self.smooth[k, plan, place, -1])
                reached = f"{self.reached(k, plan):.0f}"
                row = [f"{problem}, {name}", f"{rate:g}", f"{last:.4f}", reached]
                rows.append([*row, f"{test:.4f}", f"{right:.1%}"])
        head = ("training", "step size", "loss", "passes to level", "test loss", "test right")
        return table(head, rows)


_FASTER = (
    "what a larger gradient gains, a larger step size gains too: at the best step size of each, "
    "little is left, and the moves cost passes of their own"
)
_FLATTER = (
    "the trace of the Hessian is lowered along the orbit, where the function is the same: training "
    "leaves the place that was chosen within a few steps of this size"
)


def perform(bench: Bench, settings: Settings) -> Teleported:
    """A step for each plan and step size."""
    seeds = range(bench.seed, bench.seed + settings.seeds)
    found: list[Params] = []
    for k, problem in enumerate(settings.problems):
        task = PROBLEMS[problem]()
        for number, plan in enumerate(PLANS):
            bench.tell(f"{problem}: {plan}", k * len(PLANS) + number, 2 * len(PLANS))
            for rate in settings.rates[k]:
                work = partial(run, task, plan, rate, settings.reach[k], seeds, settings.steps)
                name = f"{problem}-{plan.replace(' ', '-')}-{rate:g}"
                found.append(bench.step(name, work))
    shape = (len(settings.problems), len(PLANS), len(settings.rates[0]))
    names = ("losses", "tests", "moves", "passes")
    losses, tests, moves, passes = (
        torch.stack([one[name] for one in found]).view(*shape, *found[0][name].shape)
        for name in names
    )
    return Teleported(settings, losses, tests, moves, passes[0, :, 0])


teleportation = Experiment(
    "zhao2025.teleportation",
    "Teleportation: steps to a loss, and the final test loss",
    _SOURCE,
    {
        Scale.SMOKE: Settings(("digits",), ((0.2,),), (0.1,), 24, 1, trained=False),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(
            rates=((0.05, 0.1, 0.2, 0.4, 0.8), (0.1, 0.2, 0.4, 0.7, 1.0)), steps=2000, seeds=5
        ),
    },
    perform,
    (
        "The networks, their data and the settings of SGD are ours; step sizes by training loss.",
        "How far a move goes is a choice: any scaling makes a gradient as large as one likes.",
    ),
)
"""Section 7 names moving along the orbit as a way to train better."""
