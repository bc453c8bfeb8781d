"""Chain: one connector after another, until a pair is joined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from torch import Tensor

from isthmus.ground import BadInput
from isthmus.topology.census.connectors.connector import Connector
from isthmus.topology.census.crossing import Crossing
from isthmus.topology.census.terrain import Terrain


@final
@dataclass(frozen=True)
class Chain:
    """Tries the connectors in order; none after the pair is joined in parameter space.

    Args:
        connectors: The cheapest first.

    Raises:
        BadInput: There are none.
    """

    connectors: tuple[Connector, ...]

    def __post_init__(self) -> None:
        if not self.connectors:
            raise BadInput("a chain of no connectors", "give at least one, as Straight()")

    def __call__(
        self, a: Mapping[str, Tensor], b: Mapping[str, Tensor], terrain: Terrain
    ) -> list[Crossing]:
        """What was tried up to the first that joins the two (`Terrain.joins`)."""
        found: list[Crossing] = []
        for connector in self.connectors:
            found += connector(a, b, terrain)
            if any(map(terrain.joins, found)):
                break
        return found
