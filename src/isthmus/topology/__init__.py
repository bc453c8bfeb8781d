"""Topology: the shape of the set of minima: its components, their paths, what joins them."""

from isthmus.topology.connection import MinimaConnection as MinimaConnection
from isthmus.topology.connection import Route as Route
from isthmus.topology.connection import connect_minima as connect_minima
from isthmus.topology.counts import ComponentCount as ComponentCount
from isthmus.topology.counts import partition_components as partition_components
from isthmus.topology.counts import product_components as product_components
from isthmus.topology.linear.minimum import LinearMinimum as LinearMinimum
from isthmus.topology.linear.recognition import linear_layers as linear_layers
from isthmus.topology.orbits.group import group_components as group_components
from isthmus.topology.orbits.orbit import orbit_components as orbit_components
from isthmus.topology.residual.minimum import ResidualMinimum as ResidualMinimum
