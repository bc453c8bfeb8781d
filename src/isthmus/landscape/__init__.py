"""The loss over parameter space: paths through it, and the barriers on them."""

from isthmus.landscape.barriers import Barrier, barrier
from isthmus.landscape.bounds import chord_bound
from isthmus.landscape.curves import (
    Bezier,
    Curve,
    ElasticBand,
    FisherRao,
    GreatCircles,
    NaturalSpline,
    NeuronSpheres,
    OnSpheres,
    PolygonalChain,
    SimplicialComplex,
    Star,
    Training,
    TrainingRecord,
    VarianceSpheres,
    bend,
    bend_on_spheres,
    function_length,
    layerwise,
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
    "FisherRao",
    "GreatCircles",
    "Joined",
    "Jump",
    "Line",
    "Loss",
    "NaturalSpline",
    "NeuronSpheres",
    "OnSpheres",
    "OrbitPath",
    "Polygon",
    "PolygonalChain",
    "Reversed",
    "SimplicialComplex",
    "Star",
    "Training",
    "TrainingRecord",
    "VarianceSpheres",
    "barrier",
    "bend",
    "bend_on_spheres",
    "chord_bound",
    "function_length",
    "layerwise",
    "recompute_statistics",
    "simplexes",
    "star",
]
