"""Topology: the shape of the set of minima: its components, their paths, what joins them."""

from isthmus.topology.sampling import filter_direction as filter_direction
from isthmus.topology.sampling import take_slice as take_slice
from isthmus.topology.sheets import Sheets as Sheets
from isthmus.topology.sheets import sheets as sheets
from isthmus.topology.slices import Loop as Loop
from isthmus.topology.slices import Sublevels as Sublevels
from isthmus.topology.slices import sublevels as sublevels
