"""Cheap ensembles: models made from one, and what they say together."""

from isthmus.merging.ensembles.curved import CurveMembers, SimplexMembers
from isthmus.merging.ensembles.data import DataSymmetryMembers
from isthmus.merging.ensembles.ensemble import Ensemble
from isthmus.merging.ensembles.members import AbstractMaker, Cost, Members
from isthmus.merging.ensembles.orbit import OrbitMembers
from isthmus.merging.ensembles.scores import EnsembleScores
from isthmus.merging.ensembles.trained import TrainedMembers

__all__ = [
    "AbstractMaker",
    "Cost",
    "CurveMembers",
    "DataSymmetryMembers",
    "Ensemble",
    "EnsembleScores",
    "Members",
    "OrbitMembers",
    "SimplexMembers",
    "TrainedMembers",
]
