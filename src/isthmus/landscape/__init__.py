"""The loss over parameter space: paths through it, and the barriers on them."""

from isthmus.landscape.barriers import Barrier, barrier
from isthmus.landscape.evaluation.bootstrap import Bootstrap, Interval
from isthmus.landscape.evaluation.metrics import CalibrationError, ClassAccuracy, Metric
from isthmus.landscape.evaluation.ranks import Ranks, ranks
from isthmus.landscape.evaluation.refinement import Refinement
from isthmus.landscape.loss import Evaluation, Loss
from isthmus.landscape.maps import (
    FeatureConnectivity,
    LayerBarriers,
    Plane,
    ResidualBound,
    Surface,
    feature_connectivity,
    layer_barriers,
    residual_bound,
    surface,
)
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
    "FeatureConnectivity",
    "Interval",
    "Joined",
    "Jump",
    "LayerBarriers",
    "Line",
    "Loss",
    "Metric",
    "OrbitPath",
    "Plane",
    "Polygon",
    "Ranks",
    "Refinement",
    "ResidualBound",
    "Reversed",
    "Surface",
    "barrier",
    "feature_connectivity",
    "layer_barriers",
    "ranks",
    "recompute_statistics",
    "residual_bound",
    "surface",
]
