"""Merging by features: units brought together by what they show on data."""

from isthmus.papers.methods.features.zipping import zipping
from isthmus.papers.methods.method import Method

METHODS: tuple[Method, ...] = (
    Method(
        "ZipIt!",
        "Stoica et al. 2024, ICLR",
        "`isthmus.ZipIt`, `isthmus merge --method zipit`",
        "20 to 60 points over earlier merges of models for different tasks",
        zipping,
    ),
    Method(
        "CCA-Merge",
        "Horoi et al. 2024, ICML",
        "`isthmus.CcaMerge`, `isthmus merge --method cca`",
        "mixing units by canonical correlation beats permuting them",
        zipping,
    ),
    Method(
        "PLeaS",
        "Nasery et al. 2024",
        "`isthmus.Pleas`, `isthmus merge --method pleas`",
        "partial permutation matching, then least squares (known by its title)",
        zipping,
    ),
)
"""In the order of the table."""

__all__ = ["METHODS"]
