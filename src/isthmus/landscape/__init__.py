"""The loss over parameter space: paths through it, and the barriers on them."""

from isthmus.landscape.barriers import Barrier, barrier
from isthmus.landscape.bounds import chord_bound
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
    "Reversed",
    "barrier",
    "chord_bound",
    "recompute_statistics",
]
