"""Double descent of the barrier: students of ever larger width, matched by permutations."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from isthmus.alignment import align
from isthmus.ground import Params
from isthmus.landscape import Line, barrier
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, beside, chart
from isthmus.papers.methods.method import Measured
from isthmus.papers.methods.theory.students import loss, one_of, permutations, students
from isthmus.transport import Estimate, falling

SOURCE = "Zhan, Li and Wu 2025"
_FIGURES = ("matched", "unmatched", "losses")
_LEAST = 1e-6
"""No barrier is drawn below this."""


@dataclass(frozen=True)
class Settings:
    """Students of one teacher.

    Attributes:
        inputs: Of all networks.
        neurons: Of the teacher.
        widths: Of the students.
        pairs: At each width.
        steps: Of each training, with ``batch`` new samples a step.
        batch: As said.
        lr: Of Adam, at the start.
        wide: The width from which the last descent is fitted.
        samples: To measure losses on.
        points: On every line.
        headline: Whether the training is long enough for claims about minima.
    """

    inputs: int = 8
    neurons: int = 4
    widths: tuple[int, ...] = (1, 2, 4, 6, 8, 12, 16, 32, 64, 128)
    pairs: int = 16
    steps: int = 4000
    batch: int = 64
    lr: float = 0.03
    wide: int = 32
    samples: int = 2000
    points: int = 11
    headline: bool = True


@dataclass(frozen=True)
class Descents(Measured):
    """Barriers by width.

    Attributes:
        settings: What was run.
        matched: ``(widths, pairs)``: barriers after the best permutation of weights.
        unmatched: The same without.
        losses: ``(widths, pairs)``: the mean of both ends.
        off: The barrier to a permuted copy after matching, over that before.
    """

    settings: Settings
    matched: Tensor = field(metadata={"json": False})
    unmatched: Tensor = field(metadata={"json": False})
    losses: Tensor = field(metadata={"json": False})
    off: float

    def arrays(self) -> Params:
        """All barriers."""
        return {name: getattr(self, name) for name in _FIGURES}

    @property
    def _wide(self) -> list[int]:
        widths = self.settings.widths
        return [k for k, width in enumerate(widths) if width >= self.settings.wide]

    @property
    def exponents(self) -> tuple[Estimate, Estimate]:
        """With which barriers fall where networks are wide: matched, and not."""
        widths, rows = [self.settings.widths[k] for k in self._wide], self._wide
        return falling(widths, self.matched[rows]), falling(widths, self.unmatched[rows])

    @property
    def peak(self) -> tuple[int, int, float, float]:
        """The clearest rise between two descents: from which width, to which, ratio, and errors.

        Before it the mean barrier has fallen by half at least, and after it ends below where the
        rise began; the last number is the rise in its own standard errors.
        """
        means, widths = self.matched.mean(1), self.settings.widths
        spread = self.matched.var(1) / self.matched.shape[1]
        found = [(widths[0], widths[0], 1.0, 0.0)]
        for i, j in itertools.combinations(range(len(widths)), 2):
            if means[i] < means[: i + 1].max() / 2 and means[-1] < means[i] < means[j]:
                errors = float((means[j] - means[i]) / (spread[i] + spread[j]).sqrt())
                found.append((widths[i], widths[j], float(means[j] / means[i]), errors))
        return max(found, key=lambda one: one[3])

    @property
    def measured(self) -> str:
        """In one line."""
        low, high, ratio, errors = self.peak
        first, last = self.matched.mean(1)[[0, -1]].tolist()
        widths = self.settings.widths
        return (
            f"teacher of {self.settings.neurons} neurons: matched barrier {first:.3f} at width "
            f"{widths[0]}, {last:.1e} at {widths[-1]}; between, from {low} to {high}, it rises to "
            f"{ratio:.1f} times ({errors:.1f} standard errors); from {self.settings.wide} on it "
            f"falls like m^-{self.exponents[0]:.2f}, unmatched like m^-{self.exponents[1]:.2f}"
        )

    def check(self) -> list[Check]:
        """What is exact, then what the source reports."""
        exact = Check(
            "permuted copy",
            "the barrier between a student and a permuted copy is none after matching",
            self.off,
            1e-9,
        )
        return [exact, *(self._headline() if self.settings.headline else [])]

    def _headline(self) -> list[Check]:
        matched, unmatched = self.exponents
        low, high, ratio, errors = self.peak
        return [
            Check(
                "double descent",
                "between its two descents the matched barrier rises, by two standard errors at "
                f"least (from width {low} to {high} to {ratio:.2f} times, {errors:.1f} errors)",
                2 - errors,
                finding="barriers of single pairs scatter as much as the rise is high; more pairs "
                "at each width tell more",
                source=SOURCE,
            ),
            Check(
                "rate",
                f"in the last descent it falls at least like m^-1/2 (measured {matched:.2f})",
                0.5 - matched.value,
                0.1,
                source=SOURCE,
            ),
            Check(
                "only modulo permutation",
                f"without a permutation it does not fall (measured {unmatched:.2f})",
                unmatched.value - 0.25,
                source=SOURCE,
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """Barriers and losses by width."""
        widths = [float(m) for m in self.settings.widths]
        first = self._wide[0]
        start = float(self.matched[first].mean())
        law = [start * (m / widths[first]) ** -0.5 for m in widths[first:]]
        curves = [
            self._curve(name, rows, tone)
            for name, rows, tone in (
                ("matched", self.matched, "teal"),
                ("unmatched", self.unmatched, "red"),
            )
        ]
        power = Series("m^-1/2", widths[first:], law, "soft", dash=5, dots=False)
        x = Axis("width m", log=True)
        panels = [
            chart("Barriers", x, Axis("barrier", log=True), [*curves, power]),
            chart(
                "Losses of the ends",
                x,
                Axis("loss", log=True),
                [Series("mean", widths, self.losses.mean(1).tolist(), "blue")],
            ),
        ]
        return {"double_descent": beside("Students of one teacher, by width", *panels)}

    def _curve(self, name: str, rows: Tensor, tone: str) -> Series:
        """Means, with a standard error on both sides."""
        means = rows.mean(1).clamp_min(_LEAST)
        error = rows.std(1) / rows.shape[1] ** 0.5
        low, high = ((means + k * error).clamp_min(_LEAST).tolist() for k in (-1, 1))
        widths = [float(m) for m in self.settings.widths]
        return Series(name, widths, means.tolist(), tone, low, high)

    def __str__(self) -> str:
        rows = [
            [str(width), *(f"{float(getattr(self, name)[k].mean()):.4g}" for name in _FIGURES)]
            for k, width in enumerate(self.settings.widths)
        ]
        return table(("width", *_FIGURES), rows)


def perform(bench: Bench, settings: Settings) -> Descents:
    """A step for each width."""
    found = []
    for k, width in enumerate(settings.widths):
        bench.tell(f"width {width}", k, len(settings.widths))
        found.append(bench.step(f"width-{width}", partial(_by_width, bench, settings, width)))
    stacked = {name: torch.stack([one[name] for one in found]) for name in _FIGURES}
    off = max(float(one["off"]) for one in found)
    return Descents(settings, **stacked, off=off)


def _by_width(bench: Bench, settings: Settings, width: int) -> Params:
    every = students(
        2 * settings.pairs,
        settings.inputs,
        width,
        settings.neurons,
        steps=settings.steps,
        batch=settings.batch,
        lr=settings.lr,
        seed=1000 * bench.seed + width,
    )
    symmetry = permutations(settings.inputs, width)
    seen = loss(settings.inputs, width, settings.neurons, settings.samples, seed=bench.seed)
    rows = []
    for k in range(settings.pairs):
        a, b = one_of(every, 2 * k), one_of(every, 2 * k + 1)
        fit = align(b, to=a, symmetry=symmetry).params
        heights = [barrier(seen, Line(a, end), settings.points).height for end in (fit, b)]
        rows.append([*heights, (seen(a) + seen(b)) / 2])
    columns = torch.tensor(rows, dtype=torch.float64).T
    a = one_of(every, 0)
    copy = symmetry.act(symmetry.sample(seed=bench.seed), a)
    back = align(copy, to=a, symmetry=symmetry).params
    heights = [barrier(seen, Line(a, end), settings.points).height for end in (back, copy)]
    off = heights[0] / max(heights[1], seen(a))
    found = {name: row.contiguous() for name, row in zip(_FIGURES, columns, strict=True)}
    return {**found, "off": torch.tensor(off, dtype=torch.float64)}


double_descent = Experiment(
    "methods.double_descent",
    "The barrier modulo permutation against width: down, up, and down again",
    SOURCE,
    {
        Scale.SMOKE: Settings(
            4, 2, (1, 2, 8, 32), 3, 150, 50, 0.05, wide=8, samples=300, points=5, headline=False
        ),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(
            widths=(1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 32, 64, 128, 256, 512, 1024),
            pairs=60,
            steps=20000,
            batch=200,
            samples=10000,
            points=25,
        ),
    },
    perform,
    (
        "Only the source's abstract was at hand: sizes, optimiser and data are ours.",
        (
            "Students are in the mean-field form and see new Gaussian samples at every step, so "
            "that the loss is that of the population; matching is by weights."
        ),
        (
            "They are trained until those that are wide enough fit the teacher: the rise is one of "
            "minima. After 1500 steps at a rate of 0.02, where many stand elsewhere, it is within "
            "the scatter of the pairs."
        ),
    ),
)
"""Barriers of matched and unmatched students, by width."""
