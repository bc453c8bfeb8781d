"""Merging: one set of Params out of several, or an ensemble where one is not enough."""

from isthmus.merging.average import Average
from isthmus.merging.ensembles import (
    AbstractMaker,
    Cost,
    CurveMembers,
    DataSymmetryMembers,
    Ensemble,
    EnsembleScores,
    Members,
    OrbitMembers,
    SimplexMembers,
    TrainedMembers,
)
from isthmus.merging.factors import Factors, Stage, factors
from isthmus.merging.federated import (
    ConnectivityPenalty,
    FederatedTraining,
    LocalTraining,
    LogitCalibration,
    SharpnessAware,
    federated,
    label_skewed,
)
from isthmus.merging.merge import merge
from isthmus.merging.mergers import AbstractMerger
from isthmus.merging.partial import PartialMerge, early_layers
from isthmus.merging.repairs import BiasCalibration, RecomputeStatistics, Renormalise, Repair
from isthmus.merging.soups import GreedySoup
from isthmus.merging.spheres import KarcherMean, Slerp
from isthmus.merging.task_vectors import AbstractTaskMerger, Dare, PcbMerging, TaskArithmetic, Ties
from isthmus.merging.trunks import Trunks
from isthmus.merging.vanishing import VanishingFeatures, vanishing_features

__all__ = [
    "AbstractMaker",
    "AbstractMerger",
    "AbstractTaskMerger",
    "Average",
    "BiasCalibration",
    "ConnectivityPenalty",
    "Cost",
    "CurveMembers",
    "Dare",
    "DataSymmetryMembers",
    "Ensemble",
    "EnsembleScores",
    "Factors",
    "FederatedTraining",
    "GreedySoup",
    "KarcherMean",
    "LocalTraining",
    "LogitCalibration",
    "Members",
    "OrbitMembers",
    "PartialMerge",
    "PcbMerging",
    "RecomputeStatistics",
    "Renormalise",
    "Repair",
    "SharpnessAware",
    "SimplexMembers",
    "Slerp",
    "Stage",
    "TaskArithmetic",
    "Ties",
    "TrainedMembers",
    "Trunks",
    "VanishingFeatures",
    "early_layers",
    "factors",
    "federated",
    "label_skewed",
    "merge",
    "vanishing_features",
]
