"""Symmetry: networks without it, directions of weights, width, mechanisms."""

from isthmus.papers.methods.method import Method
from isthmus.papers.methods.symmetry.asymmetric import METHODS as ASYMMETRIC
from isthmus.papers.methods.symmetry.backdoor import METHOD as BACKDOOR
from isthmus.papers.methods.symmetry.directions import METHOD as DIRECTIONS
from isthmus.papers.methods.symmetry.mechanisms import METHODS as MECHANISMS
from isthmus.papers.methods.symmetry.toroids import METHOD as TOROIDS
from isthmus.papers.methods.symmetry.width import METHOD as WIDTH

METHODS: tuple[Method, ...] = (*ASYMMETRIC, DIRECTIONS, WIDTH, *MECHANISMS, BACKDOOR, TOROIDS)
"""In the order of the table."""

__all__ = ["METHODS"]
