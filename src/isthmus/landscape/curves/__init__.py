"""Learned curves: shapes, control points, and their training."""

from isthmus.landscape.curves.bend import bend, bend_on_spheres
from isthmus.landscape.curves.curve import Curve
from isthmus.landscape.curves.elastic import ElasticBand
from isthmus.landscape.curves.fisher import FisherRao, function_length
from isthmus.landscape.curves.layers import layerwise
from isthmus.landscape.curves.many import SimplicialComplex, StarDomain, simplexes, star
from isthmus.landscape.curves.shapes import Bezier, NaturalSpline, PolygonalChain, Shape
from isthmus.landscape.curves.spheres import (
    GreatCircles,
    NeuronSpheres,
    OnSpheres,
    Spheres,
    VarianceSpheres,
)
from isthmus.landscape.curves.training import Training, TrainingRecord

__all__ = [
    "Bezier",
    "Curve",
    "ElasticBand",
    "FisherRao",
    "GreatCircles",
    "NaturalSpline",
    "NeuronSpheres",
    "OnSpheres",
    "PolygonalChain",
    "Shape",
    "SimplicialComplex",
    "Spheres",
    "StarDomain",
    "Training",
    "TrainingRecord",
    "VarianceSpheres",
    "bend",
    "bend_on_spheres",
    "function_length",
    "layerwise",
    "simplexes",
    "star",
]
