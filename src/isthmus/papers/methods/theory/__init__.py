"""Theory of connectedness: what width alone buys, measured on networks where theorems speak."""

from isthmus.papers.methods.method import Method
from isthmus.papers.methods.theory.dropout_stability import dropout_stability

METHODS: tuple[Method, ...] = (
    Method(
        "Dropout stability of mean-field networks",
        "Shevchenko and Mondelli 2020, ICML",
        "`isthmus.subnetworks`, `isthmus.dropout_stability`",
        "dropping all but k units of a solution of SGD moves the outputs like 1/√k, whatever the "
        "width",
        dropout_stability,
    ),
)
"""In the order of the table."""

__all__ = ["METHODS"]
