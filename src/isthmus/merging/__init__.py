"""Merging: one set of Params out of several."""

from isthmus.merging.average import Average
from isthmus.merging.merge import merge
from isthmus.merging.mergers import AbstractMerger
from isthmus.merging.renormalise import Renormalise
from isthmus.merging.repair import RecomputeStatistics, Repair
from isthmus.merging.soups import GreedySoup
from isthmus.merging.spheres import KarcherMean, Slerp
from isthmus.merging.task_vectors import AbstractTaskMerger, Dare, TaskArithmetic, Ties

__all__ = [
    "AbstractMerger",
    "AbstractTaskMerger",
    "Average",
    "Dare",
    "GreedySoup",
    "KarcherMean",
    "RecomputeStatistics",
    "Renormalise",
    "Repair",
    "Slerp",
    "TaskArithmetic",
    "Ties",
    "merge",
]
