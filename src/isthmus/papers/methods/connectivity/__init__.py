"""Connectivity: curves, stars, simplexes, layers, matchers, paths that are built."""

from isthmus.papers.methods.connectivity import (
    built,
    curves,
    layers,
    many,
    matching,
    regions,
    rotations,
    transformers,
)
from isthmus.papers.methods.method import Method

METHODS: tuple[Method, ...] = (
    *curves.METHODS,
    *regions.METHODS,
    *layers.METHODS,
    *built.METHODS,
    *matching.METHODS,
    *many.METHODS,
    *transformers.METHODS,
    *rotations.METHODS,
)
"""In the order of the table."""

__all__ = ["METHODS"]
