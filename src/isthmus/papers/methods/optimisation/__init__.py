"""Optimisation: what symmetry says of training, geodesics and layer-wise paths, strategies."""

from isthmus.papers.methods.method import Method
from isthmus.papers.methods.optimisation import federated_plus

METHODS: tuple[Method, ...] = (*federated_plus.METHODS,)
"""In the order of the table."""

__all__ = ["METHODS"]
