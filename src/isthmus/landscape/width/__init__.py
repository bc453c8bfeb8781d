"""Width: what wide networks have in common without any permutation, and how loud they say it."""

from isthmus.landscape.width.temperature import (
    CalibratedBarrier,
    Temperature,
    calibrate_temperature,
    calibrated_barrier,
)
from isthmus.landscape.width.weighted import WeightedConnectivity, weighted_connectivity

__all__ = [
    "CalibratedBarrier",
    "Temperature",
    "WeightedConnectivity",
    "calibrate_temperature",
    "calibrated_barrier",
    "weighted_connectivity",
]
