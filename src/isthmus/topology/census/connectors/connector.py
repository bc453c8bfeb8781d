"""Connector: what looks for a low path from one minimum to another."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, final

from torch import Tensor

from isthmus.ground import Disconnected, NotFinite
from isthmus.landscape import AbstractPath, Line
from isthmus.topology.census.crossing import Crossing
from isthmus.topology.census.terrain import Terrain


class Connector(Protocol):
    """Anything that crosses from one minimum to another: an object with its options."""

    def __call__(
        self, a: Mapping[str, Tensor], b: Mapping[str, Tensor], terrain: Terrain
    ) -> list[Crossing]:
        """What was tried, in order; each with the highest loss met, the path and its cost."""
        ...


class AbstractConnector(ABC):
    """A connector that offers one path. To add one, say which: `path`, and its `name`.

    Make it a dataclass with its options as fields: by them a census that goes on knows that it is
    the same.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """What it is called in results."""

    @abstractmethod
    def path(
        self, a: Mapping[str, Tensor], b: Mapping[str, Tensor], terrain: Terrain
    ) -> AbstractPath:
        """A path whose `ends` are ``a`` and ``b``.

        Jumps of the symmetry are allowed where they are declared: such a path joins the two only
        up to symmetry.

        Raises:
            Disconnected: There is none.
            NotFinite: It was sought by a training that diverged.
        """

    def __call__(
        self, a: Mapping[str, Tensor], b: Mapping[str, Tensor], terrain: Terrain
    ) -> list[Crossing]:
        """The crossing of its path; where there is none, or its training diverged, why."""
        try:
            path = self.path(a, b, terrain)
        except (Disconnected, NotFinite) as error:
            return [Crossing(self.name, math.inf, reason=error.cause)]
        return [terrain.along(path, a, b, self.name)]


@final
@dataclass(frozen=True)
class Straight(AbstractConnector):
    """The line."""

    name = "line"

    def path(self, a: Mapping[str, Tensor], b: Mapping[str, Tensor], terrain: Terrain) -> Line:
        """(1 - t) a + t b."""
        return Line(a, b)
