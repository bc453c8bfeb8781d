"""Merging: one set of Params out of several, or an ensemble where one is not enough."""

from isthmus.merging.average import Average
from isthmus.merging.compression import (
    PrincipalAxes,
    principal_axes,
    quantised,
    removed,
    sliced,
)
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
from isthmus.merging.features import (
    AbstractFeatureMerger,
    CcaMerge,
    CommonUnits,
    MatchedMoments,
    Pleas,
    ZipIt,
)
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
from isthmus.merging.products import ProductAverage
from isthmus.merging.repairs import BiasCalibration, RecomputeStatistics, Renormalise, Repair
from isthmus.merging.soups import GreedySoup
from isthmus.merging.spheres import KarcherMean, Slerp
from isthmus.merging.task_vectors import (
    AbstractTaskMerger,
    Dare,
    PcbMerging,
    TaskArithmetic,
    Ties,
    Transfer,
    carry_task,
    transfer,
)
from isthmus.merging.trunks import Trunks
from isthmus.merging.vanishing import VanishingFeatures, vanishing_features

__all__ = [
    "AbstractFeatureMerger",
    "AbstractMaker",
    "AbstractMerger",
    "AbstractTaskMerger",
    "Average",
    "BiasCalibration",
    "CcaMerge",
    "CommonUnits",
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
    "MatchedMoments",
    "Members",
    "OrbitMembers",
    "PartialMerge",
    "PcbMerging",
    "Pleas",
    "PrincipalAxes",
    "ProductAverage",
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
    "Transfer",
    "Trunks",
    "VanishingFeatures",
    "ZipIt",
    "carry_task",
    "early_layers",
    "factors",
    "federated",
    "label_skewed",
    "merge",
    "principal_axes",
    "quantised",
    "removed",
    "sliced",
    "transfer",
    "vanishing_features",
]
