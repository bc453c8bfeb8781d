"""Directions: what alignment does to the singular vectors of weights."""

from isthmus.alignment.directions.singular import (
    SingularDirections,
    WeightDirections,
    singular_directions,
)

__all__ = ["SingularDirections", "WeightDirections", "singular_directions"]
