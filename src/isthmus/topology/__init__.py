"""Topology: the shape of the set of minima: its components, their paths, what joins them."""

from isthmus.topology.census import AbstractConnector as AbstractConnector
from isthmus.topology.census import Aligned as Aligned
from isthmus.topology.census import Bent as Bent
from isthmus.topology.census import Census as Census
from isthmus.topology.census import Chain as Chain
from isthmus.topology.census import Clusters as Clusters
from isthmus.topology.census import Connector as Connector
from isthmus.topology.census import Crossing as Crossing
from isthmus.topology.census import PathSampling as PathSampling
from isthmus.topology.census import SameOrbit as SameOrbit
from isthmus.topology.census import Straight as Straight
from isthmus.topology.census import Terrain as Terrain
from isthmus.topology.census import components as components
from isthmus.topology.merging_tree import MergeTree as MergeTree
from isthmus.topology.merging_tree import merge_tree as merge_tree
from isthmus.topology.persistence import persistence as persistence
