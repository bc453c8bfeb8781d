"""Papers: what a paper claims, run and checked; one file or folder for each paper."""

from isthmus.papers import ferbach2023, zhao2025
from isthmus.papers.catalogue import experiments

__all__ = ["experiments", "ferbach2023", "zhao2025"]
