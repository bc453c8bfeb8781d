"""Experiment: a figure or a claim of a paper that can be run."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Generic, TypeVar

from isthmus.ground import BadInput, plain
from isthmus.ground.writing import StrPath
from isthmus.papers.bench.bench import Bench, Tell, silent
from isthmus.papers.bench.environment import environment
from isthmus.papers.bench.findings import Findings
from isthmus.papers.bench.folder import write


class Scale(StrEnum):
    """How much of an experiment is run: in seconds, in minutes, or as the paper did."""

    SMOKE = "smoke"
    QUICK = "quick"
    PAPER = "paper"


Settings = TypeVar("Settings")
Found = TypeVar("Found", bound=Findings)


@dataclass(frozen=True, eq=False)
class Experiment(Generic[Settings, Found]):
    """A figure or a claim of a paper.

    Attributes:
        name: ``paper.figure``.
        title: One line: what is shown.
        source: The paper, and the figure or section.
        settings: For every scale, a frozen dataclass of plain values.
        perform: Does the work on a bench: all that takes long in steps (`Bench.step`).
        remarks: What of the paper's settings is not known, or another here; for the page.
    """

    name: str
    title: str
    source: str
    settings: Mapping[Scale, Settings]
    perform: Callable[[Bench, Settings], Found]
    remarks: tuple[str, ...] = field(default=())

    def run(
        self,
        scale: Scale | str = Scale.QUICK,
        seed: int = 0,
        folder: StrPath | None = None,
        *,
        workers: int = 1,
        tell: Tell = silent,
        force: bool = False,
    ) -> Found:
        """Run it, or what of it is not done yet in ``folder``.

        Args:
            scale: ``smoke`` (seconds; shows only that it runs), ``quick`` or ``paper``.
            seed: From which every random choice follows.
            folder: For the steps, and in the end for the result: ``result.json``,
                ``arrays.safetensors``, pictures, ``page.html``. A run that was interrupted goes on
                there. None keeps nothing.
            workers: Processes among which independent parts are shared out; the result does not
                depend on how many. More than one needs a program whose main module can be imported.
            tell: What progress is told to.
            force: Begin anew where the folder holds another experiment.

        Raises:
            BadInput: There is no such scale; ``workers`` is not positive; the folder holds an
                experiment with other settings.
            OutputExists: The folder holds other files.
            CannotWrite: The system refuses.
        """
        chosen = self._settings(scale)
        if workers < 1:
            raise BadInput(f"workers is {workers}, expected at least 1", "give a positive number")
        if folder is None:
            with tempfile.TemporaryDirectory(prefix="isthmus-") as place:
                bench = Bench.open(Path(place), self._mark(scale, seed))
                return self.perform(replace(bench, workers=workers, tell=tell), chosen)
        bench = Bench.open(Path(folder), self._mark(scale, seed), force=force)
        found = self.perform(replace(bench, workers=workers, tell=tell), chosen)
        write(bench, self._facts(scale, bench, found), found)
        return found

    def _settings(self, scale: Scale | str) -> Settings:
        if scale not in self.settings:
            known = ", ".join(self.settings)
            raise BadInput(f"{self.name} has no scale {str(scale)!r}", f"use one of {known}")
        return self.settings[Scale(scale)]

    def _mark(self, scale: Scale | str, seed: int) -> dict[str, Any]:
        settings = plain(self._settings(scale))
        return {"experiment": self.name, "scale": str(scale), "seed": seed, "settings": settings}

    def _facts(self, scale: Scale | str, bench: Bench, found: Findings) -> dict[str, Any]:
        """All but the arrays as plain data: where it is from, how it was made, what was found."""
        return {
            **self._mark(scale, bench.seed),
            "title": self.title,
            "source": self.source,
            "remarks": list(self.remarks),
            "environment": environment(),
            "seconds": bench.seconds,
            "checks": [check.to_json() for check in found.check()],
            "found": found.to_json(),
        }

    def __str__(self) -> str:
        """One line."""
        return f"{self.name}: {self.title} ({self.source})"
