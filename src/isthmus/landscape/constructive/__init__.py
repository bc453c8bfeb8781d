"""Paths that are built, not searched: moves of single units, and paths through dropped halves."""

from isthmus.landscape.constructive.dropout import DropoutStable, dropout_stable_path
from isthmus.landscape.constructive.halves import BestHalf, Kept, StrongestHalf
from isthmus.landscape.constructive.moves import (
    null_path,
    replicate_path,
    swap_path,
    transfer_path,
)
from isthmus.landscape.constructive.rescaling import rescale_path
from isthmus.landscape.constructive.sublevel import SublevelPath, sublevel_path

__all__ = [
    "BestHalf",
    "DropoutStable",
    "Kept",
    "StrongestHalf",
    "SublevelPath",
    "dropout_stable_path",
    "null_path",
    "replicate_path",
    "rescale_path",
    "sublevel_path",
    "swap_path",
    "transfer_path",
]
