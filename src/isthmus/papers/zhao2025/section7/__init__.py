"""Section 7 of Zhao et al. (2025), what symmetry may be good for, made practical and measured."""

from isthmus.papers.zhao2025.section7.charges import charges
from isthmus.papers.zhao2025.section7.ensembles import ensembles
from isthmus.papers.zhao2025.section7.factors import factors
from isthmus.papers.zhao2025.section7.teleportation import teleportation
from isthmus.papers.zhao2025.section7.tuning import tuning

EXPERIMENTS = (ensembles, factors, tuning, teleportation, charges)
"""In the order of the section."""

__all__ = [
    "EXPERIMENTS",
    "charges",
    "ensembles",
    "factors",
    "teleportation",
    "tuning",
]
