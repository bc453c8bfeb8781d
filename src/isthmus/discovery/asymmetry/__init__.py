"""Asymmetry: networks made so that no hidden unit can take the place of another."""

from isthmus.discovery.asymmetry.asymmetric import asymmetric
from isthmus.discovery.asymmetry.fixed_entries import FixedEntries
from isthmus.discovery.asymmetry.gate import FiGLU

__all__ = ["FiGLU", "FixedEntries", "asymmetric"]
