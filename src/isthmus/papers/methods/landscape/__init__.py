"""The landscape: shared checkpoints, hulls, averages along a training, estimates."""

from isthmus.papers.methods.landscape import (
    averages,
    espro,
    factors,
    hull,
    instability,
    spectra,
    taylor,
)
from isthmus.papers.methods.method import Method

METHODS: tuple[Method, ...] = (
    instability.METHOD,
    factors.METHOD,
    hull.METHOD,
    averages.SWA,
    averages.FGE,
    espro.METHOD,
    spectra.METHOD,
    taylor.METHOD,
)
"""In the order of the table."""

__all__ = ["METHODS"]
