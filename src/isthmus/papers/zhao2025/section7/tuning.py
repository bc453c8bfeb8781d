"""Section 7: tuning on the symmetry manifold, that is, where the first task's loss is flat.

The orbit itself is of no use: along it the function stays as it is on all inputs, so the second
task's loss has no slope there, and that is checked. What is flat on the first task's data alone can
learn: how much is forgotten, against how much is learned, for every way of keeping the first task
and several strengths of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import Tensor

from isthmus.algebra import Symmetry
from isthmus.alignment import align
from isthmus.discovery import discover
from isthmus.ground import Params, double
from isthmus.ground.params import norm
from isthmus.landscape.dynamics.charges import Pairing
from isthmus.landscape.dynamics.slopes import gradient
from isthmus.papers.bench import Bench, Check, Experiment, Findings, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, beside, chart
from isthmus.papers.zhao2025.section7.keepers import KEEPERS, PLAIN, Trial, exactness
from isthmus.papers.zhao2025.section7.problems import PROBLEMS, second

_SOURCE = "Zhao, Dehmamy, Walters and Yu 2025, section 7"
_TONES = ("grey", "blue", "teal", "amber", "red")
OURS = ("low rank", "layer inputs")


@dataclass(frozen=True)
class Settings:
    """What is learned after what, and how strongly the first is kept.

    Attributes:
        problems: Names in `PROBLEMS`.
        epochs: Of the first task's training, for each problem; so ``passes`` over the second.
        rates: Step sizes of Adam for each problem, in both.
        plain: Factors of the step size, where nothing is kept.
        penalties: Strengths of both penalties.
        ranks: How many of the steepest directions are left out.
        shares: How much of the layers' inputs is.
        samples: Of the first task that the methods look at.
        shown: Samples of each part on which losses are measured.
    """

    problems: tuple[str, ...] = ("fashion", "gpt")
    epochs: tuple[int, ...] = (5, 6)
    passes: int = 2
    rates: tuple[float, ...] = (1e-3, 3e-3)
    plain: tuple[float, ...] = (0.03, 0.1, 0.3, 1.0, 3.0)
    penalties: tuple[float, ...] = (0.1, 1.0, 10.0, 100.0, 1e3)
    ranks: tuple[int, ...] = (2, 4, 8, 15, 30)
    shares: tuple[float, ...] = (0.5, 0.8, 0.9, 0.95, 0.98)
    samples: int = 300
    shown: int = 500
    trained: bool = True

    def strengths(self, method: str) -> tuple[float, ...]:
        """Those of a method."""
        own = {PLAIN: self.plain, "orthogonal": self.ranks, "layer inputs": self.shares}
        return own.get(method, self.penalties)


@dataclass(frozen=True)
class Tuning(Findings):
    """What was kept and what was learned.

    Attributes:
        settings: What was run.
        scores: ``(problems, methods, strengths, 6)``: test losses of the first and the second task,
            their training losses, and the shares of test answers that are right.
        starts: ``(problems, 6)``: the same before tuning.
        facts: ``(problems, 4)``: the change on samples all of whose inputs are held, what was
            learned meanwhile, the largest slope of the second task along the orbit, and the share
            of the way that plain tuning went which is left when its ends are aligned.
    """

    settings: Settings
    scores: Tensor = field(metadata={"json": False})
    starts: Tensor = field(metadata={"json": False})
    facts: Tensor = field(metadata={"json": False})

    def arrays(self) -> Params:
        """All of it."""
        return {"scores": self.scores, "starts": self.starts, "facts": self.facts}

    def best(self, problem: int, method: str) -> Tensor:
        """The scores at the strength of the least mean training loss: no test has a say in it."""
        rows = self.scores[problem, list(KEEPERS).index(method)]
        return rows[rows[:, 2:4].mean(1).argmin()]

    def mean(self, problem: int, method: str) -> float:
        """The mean test loss of both tasks at the best strength."""
        return float(self.best(problem, method)[:2].mean())

    def check(self) -> list[Check]:
        """What is exact holds; and from training on, what is kept pays."""
        exact = [
            Check(
                "held inputs",
                "off all inputs of a few samples, the function on them stays (relative change)",
                float(self.facts[:, 0].max()),
                1e-9,
                source="Saha, Garg and Roy 2021",
            ),
            Check(
                "still free", "meanwhile the second task is learned", -float(self.facts[:, 1].min())
            ),
            Check(
                "orbit",
                "the second task's gradient has no part along the orbit (share of its length)",
                float(self.facts[:, 2].max()),
                1e-9,
                source=_SOURCE,
            ),
        ]
        return exact + (self._trained() if self.settings.trained else [])

    def _trained(self) -> list[Check]:
        found = []
        for k, name in enumerate(self.settings.problems):
            plain = self.scores[k, 0, self.scores[k, 0, :, 3].argmin(), 0]
            found.append(
                Check(
                    f"{name}: forgetting",
                    "plain tuning that learns the second task best makes the first one's test loss "
                    "a tenth larger, at least",
                    1.1 - float(plain / self.starts[k, 0]),
                )
            )
            ours = min(self.mean(k, method) for method in OURS)
            for other in (PLAIN, "EWC"):
                theirs = self.mean(k, other)
                found.append(
                    Check(
                        f"{name}: {other}",
                        f"the better of {' and '.join(OURS)} has a lower mean test loss of both "
                        f"tasks than {other}: {ours:.3f} against {theirs:.3f}",
                        ours - theirs,
                        finding=_WHY if other == "EWC" else "",
                    )
                )
        return found

    def draw(self) -> Mapping[str, Picture]:
        """A trade-off for each problem: what is forgotten against what is learned."""
        panels = []
        for k, name in enumerate(self.settings.problems):
            series = [
                Series(method, rows[:, 1].tolist(), rows[:, 0].tolist(), tone)
                for method, rows, tone in zip(KEEPERS, self.scores[k], _TONES, strict=True)
            ]
            axes = Axis("test loss of the second task"), Axis("test loss of the first")
            panels.append(chart(name, *axes, series))
        title = "Tuning: what the second task gains, and what the first loses"
        return {"tuning": beside(title, *panels)}

    def __str__(self) -> str:
        rows = []
        for k, name in enumerate(self.settings.problems):
            start = self.starts[k]
            rows.append([f"{name}, before", "", *_cells(start)])
            for number, method in enumerate(KEEPERS):
                best = self.best(k, method)
                place = int((self.scores[k, number] == best).all(1).nonzero()[0])
                strength = f"{self.settings.strengths(method)[place]:g}"
                rows.append([f"{name}, {method}", strength, *_cells(best)])
        head = ("tuned", "strength", "first", "second", "mean", "first right", "second right")
        return table(head, rows)


_WHY = (
    "the diagonal holds every parameter a little, which a sketch of few directions does not; and "
    "where both tasks show the layers like inputs, few directions of these are free"
)


def _cells(row: Tensor) -> list[str]:
    first, second_, _, _, *right = row.tolist()
    losses = (first, second_, (first + second_) / 2)
    return [*(f"{x:.3f}" for x in losses), *(f"{x:.1%}" for x in right)]


def perform(bench: Bench, settings: Settings) -> Tuning:
    """A step for each method on each problem."""
    parts = []
    for k, name in enumerate(settings.problems):
        trial = _trial(bench, settings, k)
        rows = []
        for number, method in enumerate(KEEPERS):
            bench.tell(f"{name}: {method}", k * len(KEEPERS) + number, 2 * len(KEEPERS))
            work = partial(_method, trial, settings, method)
            rows.append(bench.step(f"{name}-{method.replace(' ', '-')}", work)["scores"])
        start = _scores(trial, settings, trial.start)
        facts = bench.step(f"{name}-facts", partial(_facts, trial, name))["facts"]
        parts.append((torch.stack(rows), start, facts))
    return Tuning(settings, *(torch.stack(some) for some in zip(*parts, strict=True)))


def _trial(bench: Bench, settings: Settings, k: int) -> Trial:
    name = settings.problems[k]
    first, rate = PROBLEMS[name](), settings.rates[k]
    start = first.trained(bench, bench.seed, epochs=settings.epochs[k], lr=rate, name=name)
    other, rank = second(first, bench.seed), max(settings.ranks)
    return Trial(first, other, start, rate, settings.passes, rank, settings.samples, bench.seed)


def _method(trial: Trial, settings: Settings, method: str) -> Params:
    rows = [
        _scores(trial, settings, trial.run(method, strength))
        for strength in settings.strengths(method)
    ]
    return {"scores": torch.stack(rows)}


def _scores(trial: Trial, settings: Settings, params: Params) -> Tensor:
    """A row of `Tuning.scores`."""
    tests, trains = (
        [
            task.loss(settings.shown, test=test).evaluate(params)
            for task in (trial.first, trial.second)
        ]
        for test in (True, False)
    )
    losses = [one.loss for one in (*tests, *trains)]
    return torch.tensor(losses + [one.metrics["accuracy"] for one in tests], dtype=torch.float64)


def _facts(trial: Trial, name: str) -> Params:
    """As in `Tuning`; all but the last in float64."""
    change, learned = exactness(trial, 1 if name == "gpt" else 20)
    symmetry = discover(trial.first.fresh(), trial.first.x[:1], gauge="asis")
    end = trial.tuned(None)
    fit = align(end, to=trial.start, symmetry=symmetry, seed=trial.seed)
    left = torch.tensor(fit.after / fit.before)
    return {"facts": torch.stack([change, learned, _along(trial, symmetry), left]).double()}


def _along(trial: Trial, symmetry: Symmetry) -> Tensor:
    """The largest ``⟨∇L, ξ w⟩`` of the second task over all scales and shears ξ, relative."""
    wide = double(trial.start)
    loss = replace(trial.second.loss(100), dtype=torch.float64)
    pairing = Pairing(symmetry, wide)
    slope = gradient(loss, wide, wide)
    found = pairing.of(slope, pairing.coordinates(wide))
    largest = max(float(part.abs().max()) for part in found.values())
    return torch.tensor(largest / (norm(slope) * norm(wide)))


def _settings(scale: Scale) -> Settings:
    if scale is Scale.SMOKE:
        few = {"plain": (1.0,), "penalties": (10.0,), "ranks": (5,), "shares": (0.9,)}
        more = {"samples": 30, "shown": 100, "passes": 1, "trained": False}
        return Settings(("digits",), (1,), rates=(3e-3,), **few, **more)  # type: ignore[arg-type]
    if scale is Scale.PAPER:
        return Settings(epochs=(20, 20), passes=10, samples=1000, shown=2000)
    return Settings()


tuning = Experiment(
    "zhao2025.tuning",
    "A second task where the first is flat: what is learned, and what is forgotten",
    _SOURCE,
    {scale: _settings(scale) for scale in Scale},
    perform,
    (
        "The paper names the idea and tries nothing: tasks, methods and sizes are ours.",
        "The second task is the first with its pixels permuted, or its text in capitals; one head.",
        "All methods take as many steps of Adam; strengths are chosen by training losses.",
    ),
)
"""Section 7 of the paper proposes it as an application."""
