"""The loss over parameter space: paths through it, and the barriers on them."""

from isthmus.landscape.barriers import Barrier, barrier
from isthmus.landscape.bounds import Rescaling, chord_bound
from isthmus.landscape.constructive import Segments, dropout_path, rescale_path
from isthmus.landscape.data_maps import Refitted, two_legs
from isthmus.landscape.loss import Evaluation, Loss
from isthmus.landscape.orbit_paths import OrbitPath
from isthmus.landscape.paths import AbstractPath, Joined, Jump, Line, Polygon, Reversed
from isthmus.landscape.statistics import recompute_statistics

__all__ = [
    "AbstractPath",
    "Barrier",
    "Evaluation",
    "Joined",
    "Jump",
    "Line",
    "Loss",
    "OrbitPath",
    "Polygon",
    "Refitted",
    "Rescaling",
    "Reversed",
    "Segments",
    "barrier",
    "chord_bound",
    "dropout_path",
    "recompute_statistics",
    "rescale_path",
    "two_legs",
]
