"""The methods on which the two papers stand, and those that stand on them: one row for each.

Every `Method` has an experiment, which `isthmus reproduce methods` runs. They are small, so that
all can be run on a laptop: the figures are ours, on the networks that each experiment names.
"""

from isthmus.papers.methods import (
    connectivity,
    features,
    landscape,
    merging,
    optimisation,
    symmetry,
    theory,
    transfer,
    transformers,
)
from isthmus.papers.methods.method import Measured, Method

METHODS: tuple[Method, ...] = (
    *connectivity.METHODS,
    *features.METHODS,
    *landscape.METHODS,
    *merging.METHODS,
    *symmetry.METHODS,
    *transfer.METHODS,
    *transformers.METHODS,
    *optimisation.METHODS,
    *theory.METHODS,
)
"""All, in the order of the table."""

EXPERIMENTS = tuple(dict.fromkeys(method.experiment for method in METHODS))
"""What measures them; methods that are compared with each other share one."""

__all__ = ["EXPERIMENTS", "METHODS", "Measured", "Method"]
