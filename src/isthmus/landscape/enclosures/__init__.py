"""Certified barriers by enclosures of the whole model in the one variable t."""

from isthmus.landscape.enclosures import rules
from isthmus.landscape.enclosures.certify import certify

__all__ = ["certify", "rules"]
