"""What falls with the width: measured values, the powers that fit, the powers predicted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from isthmus.ground import Params
from isthmus.papers.bench import Bench, Findings
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Series
from isthmus.transport import Estimate, falling

WIDTH = Axis("width N", log=True)


@dataclass(frozen=True)
class Falls(Findings):
    """Quantities at several widths.

    Attributes:
        widths: N.
        scores: By name, ``(widths, repetitions)``.
    """

    widths: tuple[int, ...]
    scores: Params = field(metadata={"json": False})

    @property
    def laws(self) -> Mapping[str, float]:
        """Exponents that are predicted, by the name of what falls."""
        return {}

    def mean(self, name: str) -> Tensor:
        """Over repetitions, ``(widths,)``."""
        return self.scores[name].mean(1)

    def exponent(self, name: str) -> Estimate:
        """With which a quantity falls."""
        return falling(self.widths, self.scores[name])

    def arrays(self) -> Params:
        """All of it."""
        return {"widths": torch.tensor(self.widths), **self.scores}

    def to_json(self) -> dict[str, Any]:
        """Means by width, the exponents that fit, and those predicted."""
        rows: dict[str, Any] = {}
        for name in self.scores:
            fit = self.exponent(name)
            rows[name] = {
                "means": self.mean(name).tolist(),
                "exponent": [fit.value, fit.low, fit.high],
                "predicted": self.laws.get(name),
            }
        return {"widths": list(self.widths), "falls": rows}

    def __str__(self) -> str:
        """A row for each quantity."""
        head = ("mean at width", *map(str, self.widths), "exponent", "predicted")
        return table(head, [self._row(name) for name in self.scores])

    def _row(self, name: str) -> list[str]:
        law = f"{self.laws[name]:.3g}" if name in self.laws else ""
        means = [f"{value:.4g}" for value in self.mean(name).tolist()]
        return [name, *means, f"{self.exponent(name):.3f}", law]

    def curve(self, name: str, tone: str, title: str | None = None) -> Series:
        """The means, with the smallest and largest as a band."""
        values = self.scores[name]
        band = values.amin(1).tolist(), values.amax(1).tolist()
        return Series(title or name, self.widths, values.mean(1).tolist(), tone, *band)

    def power(self, name: str, exponent: float, title: str, tone: str = "soft") -> Series:
        """``N^-exponent`` through the first mean of a quantity, dashed."""
        first = float(self.mean(name)[0])
        values = [first * (n / self.widths[0]) ** -exponent for n in self.widths]
        return Series(title, self.widths, values, tone, dash=5, dots=False)


def by_width(bench: Bench, widths: Sequence[int], work: Callable[[int], Params]) -> Params:
    """What ``work(width)`` gives, ``(repetitions,)`` by name: a step for each width; stacked."""
    found = []
    for k, width in enumerate(widths):
        bench.tell(f"width {width}", k, len(widths))
        found.append(bench.step(f"width-{width}", partial(work, width)))
    return {name: torch.stack([one[name] for one in found]) for name in found[0]}


def together(rows: Sequence[Mapping[str, float]]) -> Params:
    """Numbers of all repetitions, ``(repetitions,)`` by name, float64."""
    return {n: torch.tensor([row[n] for row in rows], dtype=torch.float64) for n in rows[0]}


def missed(found: Estimate, low: float, high: float | None = None) -> float:
    """How far an interval lies from the numbers between two, or from one; 0 where it meets them."""
    return max(found.low - (low if high is None else high), low - found.high, 0.0)


def stacked(values: Sequence[Sequence[float]]) -> Tensor:
    """``(widths, repetitions)``, float64."""
    return torch.tensor(values, dtype=torch.float64)
