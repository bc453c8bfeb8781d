"""A small experiment: a number for every part, which breaks off where a file says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest
import torch

from isthmus.ground import Params
from isthmus.papers.bench import Bench, Check, Experiment, Findings, Scale, each
from isthmus.papers.figures import Axis, Picture, Series, chart


@dataclass(frozen=True)
class Numbers:
    """How many parts."""

    parts: int


@dataclass(frozen=True)
class Sums(Findings):
    """The number of every part."""

    sums: tuple[float, ...]

    def arrays(self) -> Params:
        return {"sums": torch.tensor(self.sums)}

    def check(self) -> list[Check]:
        gap = max(self.sums) - self.sums[-1]
        return [
            Check("grows", "the last is the largest", gap),
            Check("small", "no sum is over 1", max(self.sums) - 1, 0.5, finding="they <grow>"),
        ]

    def draw(self) -> Mapping[str, Picture]:
        series = Series("s", range(len(self.sums)), self.sums, "teal")
        return {"sums": chart("Sums", Axis("part"), Axis("sum"), [series])}


class Broken(Exception):
    """What a part raises that breaks off."""


def total(bench: Bench, number: int) -> Params:
    """One step; breaks off where a file beside the folder is called after it."""

    def work() -> Params:
        bench.tell("adding", 0, 1)
        if (bench.folder.parent / f"break-{number}").exists():
            raise Broken
        return {"sum": torch.tensor(float(bench.seed + number))}

    return bench.step(f"part-{number}", work)


def perform(bench: Bench, settings: Numbers) -> Sums:
    """All parts."""
    parts = {f"part {k}": k for k in range(settings.parts)}
    return Sums(tuple(float(one["sum"]) for one in each(bench, total, parts)))


@pytest.fixture
def experiment() -> Experiment[Numbers, Sums]:
    settings = {Scale.SMOKE: Numbers(2), Scale.QUICK: Numbers(4)}
    remarks = ("Numbers are <ours>.",)
    return Experiment("tests.sums", "Sums & parts", "A paper, Figure 1", settings, perform, remarks)
