"""Topology: the shape of the set of minima: its components, their paths, what joins them."""

from isthmus.topology.counts import ComponentCount as ComponentCount
from isthmus.topology.counts import partition_components as partition_components
from isthmus.topology.counts import product_components as product_components
from isthmus.topology.linear.connection import LinearConnection as LinearConnection
from isthmus.topology.linear.connection import connect_linear_minima as connect_linear_minima
from isthmus.topology.linear.minimum import LinearMinimum as LinearMinimum
from isthmus.topology.linear.recognition import linear_layers as linear_layers
