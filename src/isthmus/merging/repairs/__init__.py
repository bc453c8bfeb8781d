"""Repairs: what is put right after a merge."""

from isthmus.merging.repairs.calibration import BiasCalibration
from isthmus.merging.repairs.renormalise import Renormalise
from isthmus.merging.repairs.repair import RecomputeStatistics, Repair

__all__ = ["BiasCalibration", "RecomputeStatistics", "Renormalise", "Repair"]
