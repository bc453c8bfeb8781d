"""Merging: means, task vectors, repairs, federated rounds."""

from isthmus.papers.methods.merging.cross_task_linearity import cross_task_linearity
from isthmus.papers.methods.merging.federated import federated
from isthmus.papers.methods.merging.ot_fusion import ot_fusion
from isthmus.papers.methods.merging.repair import repair
from isthmus.papers.methods.merging.soups import soups
from isthmus.papers.methods.merging.spheres import spheres
from isthmus.papers.methods.merging.task_vectors import task_vectors
from isthmus.papers.methods.merging.vanishing import vanishing
from isthmus.papers.methods.method import Method

METHODS: tuple[Method, ...] = (
    Method(
        "REPAIR",
        "Jordan et al. 2023, ICLR",
        "`isthmus.Renormalise`, `isthmus merge --repair renormalise`",
        "VGG11 on CIFAR-10, without norms: from 67.3% to 84.9% in the middle",
        repair,
    ),
    Method(
        "RESCALE",
        "Jordan et al. 2023, ICLR",
        "`isthmus.Renormalise` with `shift=False`",
        "deviations alone restore much of what REPAIR does",
        repair,
    ),
    Method(
        "Vanishing features",
        "Qu and Horvath 2025, CPAL",
        "`isthmus.vanishing_features`, `isthmus.BiasCalibration`",
        "what depends on the input fades in a merged network, the more the deeper",
        vanishing,
    ),
    Method(
        "Preserve-first merging",
        "Qu and Horvath 2025, CPAL",
        "`isthmus.PartialMerge`, `isthmus.Trunks`",
        "merged VGG16 networks surpass their parents on CIFAR-10",
        vanishing,
    ),
    Method(
        "Task arithmetic",
        "Ilharco et al. 2023, ICLR",
        "`isthmus.TaskArithmetic`, `isthmus merge --method arithmetic`",
        "sums of task vectors make one model for several tasks",
        task_vectors,
    ),
    Method(
        "TIES",
        "Yadav et al. 2023, NeurIPS",
        "`isthmus.Ties`, `isthmus merge --method ties`",
        "trimming and electing signs avoids interference",
        task_vectors,
    ),
    Method(
        "DARE",
        "Yu et al. 2024, ICML",
        "`isthmus.Dare`, `isthmus merge --method dare`",
        "most entries of task vectors can be dropped at random",
        task_vectors,
    ),
    Method(
        "PCB-merging",
        "Du et al. 2024, NeurIPS",
        "`isthmus.PcbMerging`, `isthmus merge --method pcb`",
        "4.3 points over earlier methods on T5-base, 3.5 on ViT-B/32",
        task_vectors,
    ),
    Method(
        "SLERP",
        "Shoemake 1985",
        "`isthmus.Slerp`, `isthmus merge --method slerp`",
        "constant speed on great circles; lengths are kept",
        spheres,
    ),
    Method(
        "Karcher mean",
        "Karcher 1977",
        "`isthmus.KarcherMean`, `isthmus merge --method karcher`",
        "the mean of any number of points on a sphere",
        spheres,
    ),
    Method(
        "Model soups",
        "Wortsman et al. 2022, ICML",
        "`isthmus.GreedySoup`, `isthmus.Average`, `isthmus merge --method soup`",
        "the mean of fine-tunes is better than the best of them, at no cost",
        soups,
    ),
    Method(
        "Cross-task linearity",
        "Zhou et al. 2024, ICML",
        "`isthmus.feature_connectivity`",
        "between fine-tunes of one model the mean of weights gives the mean of features",
        cross_task_linearity,
    ),
    Method(
        "FedAvg",
        "McMahan et al. 2017, AISTATS",
        "`isthmus.federated`",
        "the mean of locally trained models, round after round, trains one",
        federated,
    ),
    Method(
        "FedGuCci",
        "Li et al. 2024",
        "`isthmus.ConnectivityPenalty`, `isthmus.federated` with `LocalTraining(beta=...)`",
        "connectivity to earlier common models makes local models merge better",
        federated,
    ),
    Method(
        "OT fusion",
        "Singh and Jaggi 2020, NeurIPS",
        "`isthmus.TransportFusion`",
        "fuses VGG11 networks on CIFAR-10 in one shot: 85.98%, 86.51% without normalised weights",
        ot_fusion,
    ),
)
"""In the order of the table."""

__all__ = ["METHODS"]
