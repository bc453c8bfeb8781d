"""The rules, one file per operator family; importing them fills the table."""

from isthmus.landscape.enclosures.rules import (
    arithmetic,
    attention,
    contraction,
    losses,
    norms,
    pointwise,
    pooling,
    shape,
)

__all__ = [
    "arithmetic",
    "attention",
    "contraction",
    "losses",
    "norms",
    "pointwise",
    "pooling",
    "shape",
]
