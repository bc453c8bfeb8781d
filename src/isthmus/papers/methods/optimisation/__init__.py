"""Optimisation: what symmetry says of training, geodesics and layer-wise paths, strategies."""

from isthmus.papers.methods.method import Method
from isthmus.papers.methods.optimisation import (
    aligned_curves,
    charges,
    clusters,
    federated_plus,
    geodesic,
    layerwise_paths,
    teleportation,
)

METHODS: tuple[Method, ...] = (
    *teleportation.METHODS,
    *charges.METHODS,
    *geodesic.METHODS,
    *layerwise_paths.METHODS,
    *aligned_curves.METHODS,
    *clusters.METHODS,
    *federated_plus.METHODS,
)
"""In the order of the table."""

__all__ = ["METHODS"]
