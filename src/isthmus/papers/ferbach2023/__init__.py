"""Ferbach, Goujaud, Gidel and Dieuleveut 2024: linear mode connectivity via optimal transport.

arXiv 2310.19103. Experiments are in the order of the paper; a theorem that is checked becomes one
more, in a file of its own. ``one_sided`` has the paper's matchers, for any network in a row.
"""

from isthmus.papers.ferbach2023.one_sided import (
    IncomingCovariance,
    IncomingWeights,
    UnitActivations,
)
from isthmus.papers.ferbach2023.study import learning_rates

EXPERIMENTS = (learning_rates,)
"""All that can be run of the paper."""

__all__ = [
    "EXPERIMENTS",
    "IncomingCovariance",
    "IncomingWeights",
    "UnitActivations",
    "learning_rates",
]
