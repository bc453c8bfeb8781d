"""Findings: what came out of an experiment."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from isthmus.ground import Params, Result
from isthmus.papers.bench.checks import Check, Standing
from isthmus.papers.figures import Drawn


class Findings(Result, ABC):
    """What an experiment found. A frozen dataclass whose `str` is its table."""

    __slots__ = ()

    @abstractmethod
    def arrays(self) -> Params:
        """All that was measured, as named tensors."""

    @abstractmethod
    def check(self) -> list[Check]:
        """The claims of the paper, and ours, held against what was measured."""

    @abstractmethod
    def draw(self) -> Mapping[str, Drawn]:
        """The pictures, by their names."""

    @property
    def passed(self) -> bool:
        """Whether no check failed; a finding is no failure."""
        return all(check.standing is not Standing.FAILED for check in self.check())
