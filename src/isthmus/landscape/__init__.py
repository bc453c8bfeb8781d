"""The loss over parameter space: paths through it, and the barriers on them."""

from isthmus.landscape.barriers import Barrier, barrier
from isthmus.landscape.evaluation.bootstrap import Bootstrap, Interval
from isthmus.landscape.evaluation.metrics import CalibrationError, ClassAccuracy, Metric
from isthmus.landscape.evaluation.ranks import Ranks, ranks
from isthmus.landscape.evaluation.refinement import Refinement
from isthmus.landscape.loss import Evaluation, Loss
from isthmus.landscape.orbit_paths import OrbitPath
from isthmus.landscape.paths import AbstractPath, Joined, Jump, Line, Polygon, Reversed
from isthmus.landscape.statistics import recompute_statistics

__all__ = [
    "AbstractPath",
    "Barrier",
    "Bootstrap",
    "CalibrationError",
    "ClassAccuracy",
    "Evaluation",
    "Interval",
    "Joined",
    "Jump",
    "Line",
    "Loss",
    "Metric",
    "OrbitPath",
    "Polygon",
    "Ranks",
    "Refinement",
    "Reversed",
    "barrier",
    "ranks",
    "recompute_statistics",
]
