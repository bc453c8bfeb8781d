"""Smaller models by their symmetry: rounded weights, and streams of fewer directions."""

from isthmus.merging.compression.axes import PrincipalAxes, principal_axes
from isthmus.merging.compression.rounding import RoundedLinear, quantised
from isthmus.merging.compression.slicing import removed, sliced

__all__ = [
    "PrincipalAxes",
    "RoundedLinear",
    "principal_axes",
    "quantised",
    "removed",
    "sliced",
]
