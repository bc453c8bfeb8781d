"""Connectors: ways from one minimum to another."""

from isthmus.topology.census.connectors.aligned import Aligned, SameOrbit
from isthmus.topology.census.connectors.bent import Bent
from isthmus.topology.census.connectors.chain import Chain
from isthmus.topology.census.connectors.connector import AbstractConnector, Connector, Straight

__all__ = [
    "AbstractConnector",
    "Aligned",
    "Bent",
    "Chain",
    "Connector",
    "SameOrbit",
    "Straight",
]
