"""Theory of connectedness: what width alone buys, measured on networks where theorems speak."""

from isthmus.papers.methods.method import Method
from isthmus.papers.methods.theory.double_descent import double_descent
from isthmus.papers.methods.theory.dropout_stability import dropout_stability
from isthmus.papers.methods.theory.entezari import entezari
from isthmus.papers.methods.theory.strong import strong
from isthmus.papers.methods.theory.sublevel import sublevel
from isthmus.papers.methods.theory.teacher_manifold import teacher_manifold

METHODS: tuple[Method, ...] = (
    Method(
        "Annealed permutations",
        "Entezari et al. 2022, ICLR",
        "`isthmus.Annealing`",
        "the conjecture: up to a permutation, solutions of SGD have no barrier; annealing over "
        "swaps finds better permutations for shallow perceptrons only",
        entezari,
    ),
    Method(
        "Permutations at the start",
        "Entezari et al. 2022, ICLR",
        "`isthmus.align`, `isthmus.transport.entezari_error`",
        "Theorem 3.1: for one hidden ReLU layer at its start the gap after the best permutation "
        "is Õ(h^(-1/(2d+4)))",
        entezari,
    ),
    Method(
        "Dropout stability of mean-field networks",
        "Shevchenko and Mondelli 2020, ICML",
        "`isthmus.subnetworks`, `isthmus.dropout_stability`",
        "dropping all but k units of a solution of SGD moves the outputs like 1/√k, whatever the "
        "width",
        dropout_stability,
    ),
    Method(
        "Double descent of the barrier",
        "Zhan, Li and Wu 2025",
        "`isthmus.align`, `isthmus.barrier`",
        "two-layer ReLU students: modulo permutation the barrier shows a double descent in the "
        "width m, then falls like m^-1/2",
        double_descent,
    ),
    Method(
        "Strong linear connectivity",
        "Sharma et al. 2024",
        "`isthmus.align_all`",
        "one permutation of each network connects all pairs at once, and one permutation aligns "
        "whole trajectories of training",
        strong,
    ),
    Method(
        "Connected sublevel sets",
        "Freeman and Bruna 2017, ICLR; Nguyen 2019, ICML; Nguyen et al. 2021",
        "`isthmus.sublevel_path`",
        "sublevel sets of linear networks, with and without weight decay, and of networks with "
        "2N units (N + 1 later) on N samples are connected",
        sublevel,
    ),
    Method(
        "Piecewise linear paths of students",
        "Lin, Li and Wu 2024",
        "`isthmus.Polygon`, `isthmus.star`",
        "minima of two-layer ReLU students are joined by two straight pieces with a probability "
        "that goes to one with the width, by four from width 2M - 1 on",
        teacher_manifold,
    ),
)
"""In the order of the table."""

__all__ = ["METHODS"]
