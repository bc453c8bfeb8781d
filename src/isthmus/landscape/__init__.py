"""The loss over parameter space: paths through it, and the barriers on them."""

from isthmus.landscape.barriers import Barrier, barrier
from isthmus.landscape.curves import (
    Bezier,
    Curve,
    ElasticBand,
    NaturalSpline,
    PolygonalChain,
    SimplicialComplex,
    Star,
    Training,
    TrainingRecord,
    bend,
    simplexes,
    star,
)
from isthmus.landscape.loss import Evaluation, Loss
from isthmus.landscape.orbit_paths import OrbitPath
from isthmus.landscape.paths import AbstractPath, Joined, Jump, Line, Polygon, Reversed
from isthmus.landscape.statistics import recompute_statistics

__all__ = [
    "AbstractPath",
    "Barrier",
    "Bezier",
    "Curve",
    "ElasticBand",
    "Evaluation",
    "Joined",
    "Jump",
    "Line",
    "Loss",
    "NaturalSpline",
    "OrbitPath",
    "Polygon",
    "PolygonalChain",
    "Reversed",
    "SimplicialComplex",
    "Star",
    "Training",
    "TrainingRecord",
    "barrier",
    "bend",
    "recompute_statistics",
    "simplexes",
    "star",
]
