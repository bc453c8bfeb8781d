"""Learned curves: shapes, control points, and their training."""

from isthmus.landscape.curves.bend import bend
from isthmus.landscape.curves.curve import Curve
from isthmus.landscape.curves.elastic import ElasticBand
from isthmus.landscape.curves.many import SimplicialComplex, Star, simplexes, star
from isthmus.landscape.curves.shapes import Bezier, NaturalSpline, PolygonalChain, Shape
from isthmus.landscape.curves.training import Training, TrainingRecord

__all__ = [
    "Bezier",
    "Curve",
    "ElasticBand",
    "NaturalSpline",
    "PolygonalChain",
    "Shape",
    "SimplicialComplex",
    "Star",
    "Training",
    "TrainingRecord",
    "bend",
    "simplexes",
    "star",
]
