"""Theory of connectedness: what width alone buys, measured on networks where theorems speak."""

from isthmus.papers.methods.method import Method
from isthmus.papers.methods.theory.double_descent import double_descent
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
    Method(
        "Double descent of the barrier",
        "Zhan, Li and Wu 2025",
        "`isthmus.align`, `isthmus.barrier`",
        "two-layer ReLU students: modulo permutation the barrier shows a double descent in the "
        "width m, then falls like m^-1/2",
        double_descent,
    ),
)
"""In the order of the table."""

__all__ = ["METHODS"]
