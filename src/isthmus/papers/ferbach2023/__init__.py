"""Ferbach, Goujaud, Gidel and Dieuleveut 2024: linear mode connectivity via optimal transport.

arXiv 2310.19103. Experiments are in the order of the paper, those of its appendix last: each
theorem is one, in a file of its own in ``theorems``. ``one_sided`` has the paper's matchers, for
any network in a row.
"""

from isthmus.papers.ferbach2023.one_sided import (
    IncomingCovariance,
    IncomingWeights,
    UnitActivations,
)
from isthmus.papers.ferbach2023.study import learning_rates
from isthmus.papers.ferbach2023.theorems import (
    birkhoff,
    depth,
    dimension,
    dropout,
    low_dimension,
    lower_bound,
    mean_field,
    rates,
)

EXPERIMENTS = (
    mean_field,
    rates,
    depth,
    lower_bound,
    low_dimension,
    learning_rates,
    dimension,
    birkhoff,
    dropout,
)
"""All that can be run of the paper."""

__all__ = [
    "EXPERIMENTS",
    "IncomingCovariance",
    "IncomingWeights",
    "UnitActivations",
    "birkhoff",
    "depth",
    "dimension",
    "dropout",
    "learning_rates",
    "low_dimension",
    "lower_bound",
    "mean_field",
    "rates",
]
