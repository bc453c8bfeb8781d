"""Zhao, Dehmamy, Walters and Yu 2025: mode connectivity via parameter space symmetry (ICML).

Experiments are in the order of the paper.
"""

from isthmus.papers.zhao2025.components import components
from isthmus.papers.zhao2025.figure1 import figure1
from isthmus.papers.zhao2025.figure2 import figure2
from isthmus.papers.zhao2025.figure3 import figure3
from isthmus.papers.zhao2025.figure4 import figure4
from isthmus.papers.zhao2025.propositions import EXPERIMENTS as PROPOSITIONS
from isthmus.papers.zhao2025.section7 import EXPERIMENTS as SECTION7
from isthmus.papers.zhao2025.symmetry_curves import symmetry_curves

EXPERIMENTS = (
    figure1,
    components,
    figure2,
    figure3,
    figure4,
    symmetry_curves,
    *PROPOSITIONS,
    *SECTION7,
)
"""All that can be run of the paper."""

__all__ = [
    "EXPERIMENTS",
    "PROPOSITIONS",
    "SECTION7",
    "components",
    "figure1",
    "figure2",
    "figure3",
    "figure4",
    "symmetry_curves",
]
