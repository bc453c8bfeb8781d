"""Figure 1: the sheets of a minimum in three parameters, with a skip connection and without."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from isthmus.ground import Params
from isthmus.papers.bench import Bench, Check, Experiment, Findings, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Drawn
from isthmus.report.topology import sheets_drawing
from isthmus.topology import Sheets, sheets

_SOURCE = "Zhao, Dehmamy, Walters and Yu 2025, Figure 1 and Proposition 4.3"


@dataclass(frozen=True)
class Settings:
    """The grid, and the skips ε: those of the figure, then ours.

    Attributes:
        skips: For ``W₃ (W₂ W₁ + ε) = 1``; the first two are drawn.
        more: For ``W₄ (W₃ W₂ W₁ + ε) = 1``, which are only counted.
        steps: Values of each weight.
    """

    skips: tuple[float, ...] = (0.0, 1.0, -1.0, 0.4)
    more: tuple[float, ...] = (0.0, 1.0)
    steps: int = 61


@dataclass(frozen=True)
class Counts(Findings):
    """Surfaces whose sheets were found on a grid.

    Attributes:
        settings: What was run.
        two: Of two weights under the skip, one surface for each skip.
        three: Of three.
    """

    settings: Settings
    two: tuple[Sheets, ...]
    three: tuple[Sheets, ...]

    def arrays(self) -> Params:
        """The sheet of every place of the grids, and the axis."""
        labels = {f"labels.{k}": torch.from_numpy(one.labels) for k, one in enumerate(self.two)}
        return {"axis": torch.from_numpy(self.two[0].axis), **labels}

    def check(self) -> list[Check]:
        """As many sheets as the proposition says."""
        wrong = [abs(one.count - one.expected) for one in (*self.two, *self.three)]
        counts = ", ".join(f"{one.equation}: {one.count}" for one in self.two)
        more = ", ".join(str(one.count) for one in self.three)
        return [
            Check(
                "sheets",
                f"4 sheets without a skip connection, 3 with one, whatever its sign ({counts})",
                float(max(wrong[: len(self.two)])),
                source=_SOURCE,
            ),
            Check(
                "three weights",
                f"with three weights under it 8 and 5 ({more})",
                float(max(wrong[len(self.two) :])),
                source="beyond the paper",
            ),
        ]

    def draw(self) -> Mapping[str, Drawn]:
        """The two surfaces of the figure."""
        return {
            f"figure1{letter}": sheets_drawing(one)
            for letter, one in zip("ab", self.two, strict=False)
        }

    def __str__(self) -> str:
        rows = [
            [one.equation, str(one.count), str(one.expected)] for one in (*self.two, *self.three)
        ]
        return table(("surface", "sheets on the grid", "by the proposition"), rows)


def perform(bench: Bench, settings: Settings) -> Counts:
    """Label the grids."""
    two = tuple(sheets(skip, 2, steps=settings.steps) for skip in settings.skips)
    three = tuple(sheets(skip, 3, steps=settings.steps) for skip in settings.more)
    return Counts(settings, two, three)


figure1 = Experiment(
    "zhao2025.figure1",
    "Sheets of the minimum: four without a skip connection, three with one",
    _SOURCE,
    {Scale.SMOKE: Settings(steps=31), Scale.QUICK: Settings(), Scale.PAPER: Settings(steps=101)},
    perform,
    ("X = Y = 1. `isthmus.report.topology.sheets_page` makes the interactive page.",),
)
"""The components are those of a labelled grid, not those of the formula."""
