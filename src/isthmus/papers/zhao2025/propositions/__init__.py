"""The propositions and theorems of Zhao et al. 2025, as statements that run."""

from isthmus.papers.zhao2025.propositions.chord_bound import chord_bound
from isthmus.papers.zhao2025.propositions.permutations import permutations
from isthmus.papers.zhao2025.propositions.refit import refit
from isthmus.papers.zhao2025.propositions.rescaling import rescaling
from isthmus.papers.zhao2025.propositions.topology import topology

EXPERIMENTS = (topology, permutations, rescaling, refit, chord_bound)
"""In the order of the paper."""

__all__ = ["EXPERIMENTS", "chord_bound", "permutations", "refit", "rescaling", "topology"]
