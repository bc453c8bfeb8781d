"""The experiments there are, by name."""

from __future__ import annotations

from typing import Any, TypeAlias

from isthmus.ground import BadInput, closest
from isthmus.papers import ferbach2023, methods, zhao2025
from isthmus.papers.bench import Experiment

AnyExperiment: TypeAlias = "Experiment[Any, Any]"

PAPERS = (zhao2025, ferbach2023, methods)
"""Each has its ``EXPERIMENTS``, whose names begin with its own."""


def experiments(name: str | None = None) -> tuple[AnyExperiment, ...]:
    """The experiment of this name, those of a paper, or all there are (``all``, or None).

    Raises:
        BadInput: There is none of this name.
    """
    every: tuple[AnyExperiment, ...] = tuple(one for paper in PAPERS for one in paper.EXPERIMENTS)
    found = tuple(
        one for one in every if name in (None, "all", one.name, one.name.partition(".")[0])
    )
    if not found:
        names = [one.name for one in every]
        names += dict.fromkeys(one.partition(".")[0] for one in names)
        near = closest(str(name), names)
        remedy = f"did you mean {near!r}?" if near else "run `isthmus reproduce` for a list"
        raise BadInput(f"there is no experiment called {name!r}", remedy)
    return found
