"""Merging: one set of Params out of several."""

from isthmus.merging.average import Average
from isthmus.merging.merge import merge
from isthmus.merging.mergers import AbstractMerger
from isthmus.merging.repair import RecomputeStatistics, Repair

__all__ = ["AbstractMerger", "Average", "RecomputeStatistics", "Repair", "merge"]
