"""Paths that are built, not searched for: units are copied, moved and left out."""

from isthmus.landscape.constructive.dropout import dropout_path as dropout_path
from isthmus.landscape.constructive.dropout import strongest_half as strongest_half
from isthmus.landscape.constructive.moves import merge_copies as merge_copies
from isthmus.landscape.constructive.moves import null_units as null_units
from isthmus.landscape.constructive.moves import permute as permute
from isthmus.landscape.constructive.moves import replicate as replicate
from isthmus.landscape.constructive.moves import swap as swap
from isthmus.landscape.constructive.rescale import rescale_path as rescale_path
from isthmus.landscape.constructive.segments import Segments as Segments
from isthmus.landscape.constructive.units import Units as Units
