"""Federated training: clients train on their own data, their models are merged, and so on."""

from isthmus.merging.federated.calibration import LogitCalibration
from isthmus.merging.federated.penalty import ConnectivityPenalty
from isthmus.merging.federated.rounds import FederatedTraining, LocalTraining, federated
from isthmus.merging.federated.sharpness import SharpnessAware
from isthmus.merging.federated.splits import label_skewed

__all__ = [
    "ConnectivityPenalty",
    "FederatedTraining",
    "LocalTraining",
    "LogitCalibration",
    "SharpnessAware",
    "federated",
    "label_skewed",
]
