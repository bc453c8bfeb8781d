"""A census of sampled minima: which are joined, by what paths, at which level."""

from isthmus.topology.census.census import Census
from isthmus.topology.census.clusters import Clusters
from isthmus.topology.census.components import components
from isthmus.topology.census.connectors import (
    AbstractConnector,
    Aligned,
    Bent,
    Chain,
    Connector,
    SameOrbit,
    Straight,
)
from isthmus.topology.census.crossing import Crossing, Meeting
from isthmus.topology.census.terrain import PathSampling, Terrain
from isthmus.topology.census.unseen import Unseen

__all__ = [
    "AbstractConnector",
    "Aligned",
    "Bent",
    "Census",
    "Chain",
    "Clusters",
    "Connector",
    "Crossing",
    "Meeting",
    "PathSampling",
    "SameOrbit",
    "Straight",
    "Terrain",
    "Unseen",
    "components",
]
