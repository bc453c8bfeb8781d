"""Method: a row of the table of methods, with the experiment that measures it."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

from isthmus.papers.bench import Experiment, Findings


class Measured(Findings):
    """What an experiment on a method found."""

    __slots__ = ()

    @property
    @abstractmethod
    def measured(self) -> str:
        """One line with the figures that answer the source's headline, for the table."""

    def to_json(self) -> dict[str, object]:
        """The fields, and the line."""
        return {**super().to_json(), "measured": self.measured}


@dataclass(frozen=True, eq=False)
class Method:
    """A method of the literature that runs here.

    Attributes:
        name: As the field calls it.
        source: Authors, year, place.
        call: How it is called: ``isthmus.Name``, and the verb of the command line if there is one.
        headline: What the source reports, with its figures where they are known.
        experiment: Measures it here.
    """

    name: str
    source: str
    call: str
    headline: str
    experiment: Experiment[Any, Any]
