"""The loss over parameter space: paths through it, and the barriers on them."""

from isthmus.landscape.barriers import Barrier, barrier
from isthmus.landscape.bounds import Rescaling, chord_bound
from isthmus.landscape.constructive import Segments, dropout_path, rescale_path
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
    StarDomain,
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
from isthmus.landscape.data_maps import Refitted, two_legs
from isthmus.landscape.enclosures import certify
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
from isthmus.landscape.paths import AbstractPath, Joined, Jump, Reversed
from isthmus.landscape.statistics import recompute_statistics
from isthmus.landscape.straight import Line, Polygon

__all__ = [
    "AbstractPath",
    "Barrier",
    "Bezier",
    "Bootstrap",
    "CalibrationError",
    "ClassAccuracy",
    "Curve",
    "ElasticBand",
    "Evaluation",
    "FeatureConnectivity",
    "FisherRao",
    "GreatCircles",
    "Interval",
    "Joined",
    "Jump",
    "LayerBarriers",
    "Line",
    "Loss",
    "Metric",
    "NaturalSpline",
    "NeuronSpheres",
    "OnSpheres",
    "OrbitPath",
    "Plane",
    "Polygon",
    "PolygonalChain",
    "Ranks",
    "Refinement",
    "Refitted",
    "Rescaling",
    "ResidualBound",
    "Reversed",
    "Segments",
    "SimplicialComplex",
    "StarDomain",
    "Surface",
    "Training",
    "TrainingRecord",
    "VarianceSpheres",
    "barrier",
    "bend",
    "bend_on_spheres",
    "certify",
    "chord_bound",
    "dropout_path",
    "feature_connectivity",
    "function_length",
    "layer_barriers",
    "layerwise",
    "ranks",
    "recompute_statistics",
    "rescale_path",
    "residual_bound",
    "simplexes",
    "star",
    "surface",
    "two_legs",
]
