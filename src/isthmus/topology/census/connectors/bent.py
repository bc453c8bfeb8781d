"""Bent: a curve that is trained to be low."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

from torch import Tensor

from isthmus.ground import BadInput
from isthmus.landscape import (
    Bezier,
    Curve,
    ElasticBand,
    FisherRao,
    Line,
    Loss,
    NaturalSpline,
    PolygonalChain,
    Training,
    bend,
)
from isthmus.topology.census.connectors.connector import AbstractConnector
from isthmus.topology.census.terrain import Terrain


@final
@dataclass(frozen=True)
class Bent(AbstractConnector):
    """A curve from the one to the other, trained from the line between them (`bend`).

    Args:
        shape: How its points are mixed.
        steps: Of its training.
        training: The optimiser and its schedule; without a file for its state.
        loss: With batches as large as a training step wants; None takes that of the census.

    Raises:
        BadInput: The training keeps its state in a file.
    """

    shape: Bezier | PolygonalChain | NaturalSpline | ElasticBand | FisherRao = field(
        default_factory=Bezier
    )
    steps: int = 2000
    training: Training = field(default_factory=Training)
    loss: Loss | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.training.checkpoint is not None:
            raise BadInput(
                "the training of a connector keeps its state in one file, but there are many pairs",
                "give a training without a checkpoint; a census keeps every pair in its folder",
            )

    @property
    def name(self) -> str:
        """That of the shape."""
        return type(self.shape).__name__

    def path(self, a: Mapping[str, Tensor], b: Mapping[str, Tensor], terrain: Terrain) -> Curve:
        """The trained curve."""
        return bend(
            Line(a, b),
            self.loss or terrain.loss,
            self.shape,
            self.steps,
            terrain.seed,
            self.training,
        )
