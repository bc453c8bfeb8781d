"""Appendix B.14: what dropping half of the units does, and what the line does, by width."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from isthmus.algebra import Symmetry
from isthmus.discovery import discover
from isthmus.ground import Params
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.ferbach2023.theorems.falls import WIDTH, Falls, by_width, missed, together
from isthmus.papers.ferbach2023.theorems.mean_field import Settings as Runs
from isthmus.papers.ferbach2023.theorems.mean_field import run, seeds, task
from isthmus.papers.figures import Axis, Picture, beside, chart
from isthmus.transport import SquaredLoss, dropout_stability, mean_field_bound

_SOURCE = "Ferbach, Goujaud, Gidel and Dieuleveut 2024, Appendix B.14"
_HEAVY = 4
"""Units that carry all of the outputs, in the networks that break the hypothesis."""

_WHY = (
    "Both fall, but not alike. Dropping is a linear statistic of the units: its mean square over "
    "all halves is S²/N exactly, S² the variance of the units' outputs, so it falls like N^(-1/2) "
    "in every dimension. The line's gap is of second order in the distances of matched units, and "
    "part of that cancels; what the two have in common is their bound."
)


@dataclass(frozen=True)
class Settings:
    """Runs in the mean-field scaling, and how many halves are dropped of each."""

    runs: Runs
    tries: int = 8


@dataclass(frozen=True)
class Dropout(Falls):
    """Errors of dropping half of the units and of the line, their bounds, and what is matched.

    ``dropped, expected`` is the mean error that follows from the variance of the units' outputs;
    ``margin`` the room below the bound; ``heavy`` the error where a few units carry all.
    """

    settings: Settings

    @property
    def laws(self) -> Mapping[str, float]:
        """Of the bounds, and of a linear statistic."""
        law = 1 / (self.settings.runs.inputs + 2)
        bounds = ("halves, W1", "runs, W1", "dropped, bound", "line, bound")
        return {**dict.fromkeys(bounds, law), "dropped": 0.5, "dropped, expected": 0.5}

    def check(self) -> list[Check]:
        """Bounds hold and share a rate; what is measured does not."""
        room = float(self.scores["margin"].min())
        heavy = self.exponent("heavy")
        ratio = float(self.scores["dropped"].mean() / self.scores["dropped, expected"].mean())
        return [
            Check(
                "bound",
                "no half that was dropped moved an output by more than Lip/2 times W1 of dropped "
                "and kept units",
                -room,
                source=_SOURCE,
            ),
            self._same("W1", "halves, W1", "runs, W1"),
            self._same("bounds", "dropped, bound", "line, bound"),
            self._law("halves, W1"),
            Check(
                "variance",
                "the error of dropping is what the variance of the units' outputs gives, S²/N "
                f"({ratio:.3f} times it)",
                abs(ratio - 1),
                0.2,
            ),
            self._law("dropped"),
            self._same("measured", "dropped", "line", _WHY),
            Check(
                "many units",
                f"where {_HEAVY} units carry all, the error of dropping stays ({heavy:.2f})",
                heavy.low,
                0.1,
                source="the hypothesis of the appendix",
            ),
        ]

    def _law(self, name: str) -> Check:
        law, found = self.laws[name], self.exponent(name)
        claim = f"{name} falls like N^-{law:.2g} (measured {found:.2f})"
        return Check(f"rate of {name}", claim, missed(found, law) / law, 0.4, source=_SOURCE)

    def _same(self, title: str, one: str, two: str, finding: str = "") -> Check:
        first, second = self.exponent(one), self.exponent(two)
        off = missed(first, second.low, second.high)
        claim = f"{one} and {two} fall at one rate ({first:.2f} and {second:.2f})"
        return Check(f"one rate: {title}", claim, off, 0.05, finding, _SOURCE)

    def draw(self) -> Mapping[str, Picture]:
        """Errors; bounds and distances."""
        law = self.laws["runs, W1"]
        errors = [
            self.curve("dropped", "red"),
            self.power("dropped", 0.5, "N^-0.5"),
            self.curve("line", "teal"),
            self.curve("heavy", "grey", f"{_HEAVY} units"),
        ]
        bounds = [
            self.curve("dropped, bound", "red"),
            self.curve("line, bound", "teal"),
            self.power("dropped, bound", law, f"N^-{law:.2g}"),
        ]
        gap = Axis("change of the outputs", log=True)
        panels = chart("Measured", WIDTH, gap, errors), chart("Bounds", WIDTH, gap, bounds)
        return {"dropout": beside("Dropping half of the units, and the line", *panels)}


def perform(bench: Bench, settings: Settings) -> Dropout:
    """A step for every run, and one for what is measured at each width."""
    widths = settings.runs.widths
    return Dropout(widths, by_width(bench, widths, partial(_measured, bench, settings)), settings)


def _measured(bench: Bench, settings: Settings, width: int) -> Params:
    runs = settings.runs
    model = task(runs, width, 0).fresh()
    symmetry = discover(model, torch.zeros(2, runs.inputs, dtype=torch.float64))
    return together([_pair(bench, settings, width, j, symmetry) for j in range(runs.repetitions)])


def _pair(
    bench: Bench, settings: Settings, width: int, repetition: int, symmetry: Symmetry
) -> Mapping[str, float]:
    runs, drawn = settings.runs, seeds(bench, repetition)
    a, b = (run(bench, runs, width, seed) for seed in drawn)
    given = task(runs, width, drawn[0])
    loss = given.loss(test=True)
    line = mean_field_bound(loss, a, b, symmetry, 1.0, 1.0, SquaredLoss(), points=5)
    stable, heavy = (
        dropout_stability(loss, params, symmetry, settings.tries, 1.0, seed=bench.seed + repetition)
        for params in (a, _heavy(a))
    )
    return {
        "dropped": stable.mean,
        "dropped, expected": _expected(a, given.x_test),
        "dropped, bound": stable.bound,
        "halves, W1": stable.first,
        "line": line.measured.mean,
        "line, bound": line.bounds["Lipschitz, by pairs"].mean,
        "runs, W1": line.first,
        "margin": stable.certificate.margin,
        "heavy": heavy.mean,
    }


def _expected(params: Params, x: Tensor) -> float:
    """``√(2/π) S/√N``, the mean over inputs.

    A random half is a sample without replacement: twice its sum over N has the variance
    ``S²/N``, S² the variance of the N outputs (with N - 1); and is nearly normal.
    """
    units = torch.tanh(x @ params["up.weight"].mT + params["up.bias"]) * params["down.weight"]
    deviations = units.std(1) / math.sqrt(units.shape[1])
    return float(math.sqrt(2 / math.pi) * deviations.mean())


def _heavy(params: Params) -> Params:
    """The first few units carry all: their readers are multiplied, those of all others 0."""
    readers = torch.zeros_like(params["down.weight"])
    readers[:, :_HEAVY] = params["down.weight"].shape[1] / _HEAVY
    return {**params, "down.weight": readers}


_QUICK = Runs()

dropout = Experiment(
    "ferbach2023.dropout",
    "Dropping half of the units is bounded as the line is",
    _SOURCE,
    {
        Scale.SMOKE: Settings(replace(_QUICK, widths=(16, 64), repetitions=2, pace=0.1, time=3.0)),
        Scale.QUICK: Settings(_QUICK),
        Scale.PAPER: Settings(
            replace(_QUICK, widths=(64, 128, 256, 512, 1024, 2048), repetitions=10, pace=0.005), 16
        ),
    },
    perform,
    (
        (
            "The appendix was not at hand; its statement, that the error of dropout stability "
            "has the same width rate as that of linear connectivity, is from a note "
            "(mathematics.md 2.4)."
        ),
        (
            "Networks are the mean-field runs of ferbach2023.mean_field; half of the units is "
            "dropped and the others count twice."
        ),
    ),
)
"""Errors of dropping and of the line by width, with their bounds."""
