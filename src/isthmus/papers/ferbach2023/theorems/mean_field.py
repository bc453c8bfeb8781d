"""Theorem 3.1: two runs in the mean-field scaling, connected by a line after a permutation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from isthmus.algebra import Symmetry
from isthmus.discovery import discover
from isthmus.ground import Params, params_of
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.ferbach2023.theorems.falls import WIDTH, Falls, by_width, missed, together
from isthmus.papers.figures import Axis, Picture, Series, beside, chart
from isthmus.papers.tasks import Task
from isthmus.transport import SquaredLoss, mean_field_bound
from isthmus.transport.bounds import MeanFieldBound

_SOURCE = "Ferbach, Goujaud, Gidel and Dieuleveut 2024, Theorem 3.1"
_NUMBERS = "the theorem in numbers (mathematics.md 2.2)"
_SLACK = 0.25
"""Share of an exponent by which an interval may lie beside it: a cube has edges."""


@dataclass(frozen=True)
class Settings:
    """One-pass descent on a smooth function of inputs in a cube.

    Attributes:
        widths: N.
        repetitions: Pairs of runs at each.
        inputs: Of the network; a unit has two parameters more.
        pace: ε: a step is N ε times the gradient.
        time: T: there are T / ε steps, each on one new sample.
        shown: Inputs on which gaps are measured.
    """

    widths: tuple[int, ...] = (64, 128, 256, 512, 1024)
    repetitions: int = 4
    inputs: int = 3
    pace: float = 0.02
    time: float = 10.0
    shown: int = 100


class MeanField(nn.Module):
    """``(1/N) Σ r_i tanh(w_i·x + b_i)``, parameters uniform in [-1, 1] at the start."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.up, self.down = nn.Linear(inputs, width), nn.Linear(width, 1, bias=False)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -1, 1)
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        """``(samples, inputs)`` to ``(samples, 1)``."""
        out: Tensor = self.down(torch.tanh(self.up(x)))
        return out / self.width


def task(settings: Settings, width: int, seed: int) -> Task:
    """The network with samples of its own, to be seen once; the test inputs are the same for all.

    The target is ours: ``sin(2 Σ x_k) / 2 + 0.4 x_1`` on the cube [-1, 1].
    """

    def draw(count: int, seed: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        x = 2 * torch.rand(count, settings.inputs, generator=generator, dtype=torch.float64) - 1
        return x, torch.sin(2 * x.sum(1, keepdim=True)) / 2 + 0.4 * x[:, :1]

    seen, shown = draw(round(settings.time / settings.pace), seed), draw(settings.shown, 0)
    build = partial(MeanField, settings.inputs, width)
    return Task("mean-field", build, *seen, *shown, criterion=mse_loss)


def run(bench: Bench, settings: Settings, width: int, seed: int) -> Params:
    """One run in the scaling of the paper: plain descent, steps of N ε, every sample once."""
    return task(settings, width, seed).trained(
        bench,
        seed,
        epochs=1,
        batch=1,
        lr=width * settings.pace,
        optimiser=torch.optim.SGD,
        name=f"run-{width}-{seed}",
    )


def seeds(bench: Bench, repetition: int) -> tuple[int, int]:
    """Of the two runs of a pair; 0 is that of the test inputs."""
    first = 1000 * bench.seed + 2 * repetition + 1
    return first, first + 1


@dataclass(frozen=True)
class Connection(Falls):
    """Gaps on the line between two runs, matched and not; their bounds; distances of units.

    ``used`` is the largest share of any bound that is used: of the mean gap, of the worst input's
    and of the barrier; ``learned`` the loss after training over that at the start.
    """

    settings: Settings

    @property
    def dimension(self) -> int:
        """D, of the law of the units."""
        return self.settings.inputs + 2

    @property
    def laws(self) -> Mapping[str, float]:
        """Of the distances, and with them of the bounds."""
        first, second = 1 / self.dimension, 2 / self.dimension
        return {"W1": first, "Lipschitz bound": first, "W2 squared": second, "smooth bound": second}

    def check(self) -> list[Check]:
        """Bounds hold, errors fall, and without the permutation they do not."""
        used, learned = (float(self.scores[name].max()) for name in ("used", "learned"))
        matched, unmatched = self.scores["matched"], self.scores["unmatched"]
        last = float(unmatched[-1].mean() / matched[-1].mean())
        error = self.exponent("matched")
        law = self.laws["W2 squared"]
        return [
            Check("learned", "every run lowers the loss of its start", learned - 1, -0.05),
            Check(
                "bounds",
                f"no gap is above a bound, Lipschitz or smooth (largest share {used:.2g})",
                used - 1,
                source=_NUMBERS,
            ),
            Check(
                "permutation",
                "matched, the gap of every pair is less than half of that without",
                float((matched / unmatched).max()) - 0.5,
                source=_SOURCE,
            ),
            Check(
                "only with it",
                "at the largest width the gap without is over ten times that with the permutation "
                f"({last:.0f} times)",
                10 - last,
                source=_SOURCE,
            ),
            self._rate("W1"),
            self._rate("W2 squared"),
            Check(
                "error",
                f"the matched gap falls at least as fast as the smooth bound's law, {law:.2g} "
                f"({error:.2f})",
                law - error.value,
                source=_NUMBERS,
            ),
        ]

    def _rate(self, name: str) -> Check:
        law, found = self.laws[name], self.exponent(name)
        claim = (
            f"{name} of the units falls like N^-{law:.2g}, that of {self.dimension} dimensions "
            f"(measured {found:.2f}; allowed {_SLACK:.0%} beside the interval)"
        )
        return Check(name, claim, missed(found, law) / law, _SLACK, source=_NUMBERS)

    def draw(self) -> Mapping[str, Picture]:
        """Gaps with their bounds; distances with their laws."""
        gap = Axis("gap of the outputs", log=True)
        tones = {
            "unmatched": "red",
            "Lipschitz bound": "amber",
            "smooth bound": "purple",
            "matched": "teal",
        }
        gaps = chart("On the line", WIDTH, gap, [self.curve(n, t) for n, t in tones.items()])
        lines: list[Series] = []
        for name, tone in (("W1", "amber"), ("W2 squared", "purple")):
            law = self.laws[name]
            lines += [self.curve(name, tone), self.power(name, law, f"N^-{law:.2g}")]
        distances = chart("Between the units", WIDTH, Axis("distance", log=True), lines)
        title = "Two mean-field runs: the line after a permutation, by width"
        return {"mean_field": beside(title, gaps, distances)}


def perform(bench: Bench, settings: Settings) -> Connection:
    """A step for every run, and one for what is measured at each width."""
    scores = by_width(bench, settings.widths, partial(_measured, bench, settings))
    return Connection(settings.widths, scores, settings)


def _measured(bench: Bench, settings: Settings, width: int) -> Params:
    model = task(settings, width, 0).fresh()
    symmetry = discover(model, torch.zeros(2, settings.inputs, dtype=torch.float64))
    return together(
        [_pair(bench, settings, width, j, symmetry) for j in range(settings.repetitions)]
    )


def _pair(
    bench: Bench, settings: Settings, width: int, repetition: int, symmetry: Symmetry
) -> Mapping[str, float]:
    one, two = seeds(bench, repetition)
    a, b = (run(bench, settings, width, seed) for seed in (one, two))
    given = task(settings, width, one)
    loss = given.loss(test=True)
    first, second = (
        mean_field_bound(loss, a, b, symmetry, power, 1.0, SquaredLoss(), points=5)
        for power in (1.0, 2.0)
    )
    return {
        "unmatched": second.unmatched.mean,
        "matched": second.measured.mean,
        "Lipschitz bound": first.bounds["Lipschitz, on the hull"].mean,
        "smooth bound": second.bounds["smooth, on the hull"].mean,
        "W1": first.first,
        "W2 squared": second.second**2,
        "used": max(_used(first), _used(second)),
        "learned": loss(a) / loss(params_of(given.fresh(one))),
    }


def _used(found: MeanFieldBound) -> float:
    """The largest share of a bound that what is measured takes up."""
    return max(
        measured / bound
        for gap in found.bounds.values()
        for measured, bound in (
            (found.measured.mean, gap.mean),
            (found.measured.worst, gap.worst),
            (found.measured.barrier, gap.barrier),
        )
    )


mean_field = Experiment(
    "ferbach2023.mean_field",
    "Two mean-field runs are connected, the better the wider",
    _SOURCE,
    {
        Scale.SMOKE: Settings((16, 64), 2, pace=0.05, time=3.0, shown=20),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings((64, 128, 256, 512, 1024, 2048, 4096), 10, pace=0.005),
    },
    perform,
    (
        (
            "The display of the theorem was not at hand; its statement is reconstructed from a "
            "detailed note (mathematics.md 2.2). It names no width: what is checked in numbers "
            "are the inequalities that its proof rests on, for the two networks at hand."
        ),
        (
            "The scaling is the paper's: N times the gradient, steps of ε, one new sample each, "
            "independent starts on a compact set. Target, sizes, ε and T are ours; ξ is 1."
        ),
        (
            "tanh units with a reader are bounded on the compact set that they stay in, not on "
            "all of space: the relaxed form of the appendix."
        ),
        (
            "Law and dimension are of the start, where units are independent; that a smooth flow "
            "keeps the dimension is the theorem's propagation of chaos."
        ),
    ),
)
"""Matched and unmatched gaps by width, beside their bounds and the rates of the law."""
