"""Isthmus: a model's symmetry group is the type of its graph.

Discover it, then align, connect, count and merge models with it.
"""

from isthmus.algebra import Axis, Block, Element, Factor, Orbit, Rep, Space, Symmetry
from isthmus.algebra.groups import (
    GeneralLinear,
    Group,
    Monomial,
    Orthogonal,
    Permutation,
    PositiveScaling,
    SignedPermutation,
    Trivial,
    Wreath,
)
from isthmus.alignment import Alignment, WeightMatching, align
from isthmus.discovery import Completeness, completeness, discover, explain, verify
from isthmus.ground import (
    Certificate,
    IsthmusError,
    Params,
    Result,
    Verdict,
    check,
    distances,
    load,
    params_of,
    save,
)
from isthmus.landscape import (
    AbstractPath,
    Barrier,
    Jump,
    Line,
    Loss,
    OrbitPath,
    Polygon,
    barrier,
    recompute_statistics,
)
from isthmus.merging import Average, RecomputeStatistics, merge
from isthmus.report import Connection, connect

__version__ = "0.1.0"

__all__ = [
    "AbstractPath",
    "Alignment",
    "Average",
    "Axis",
    "Barrier",
    "Block",
    "Certificate",
    "Completeness",
    "Connection",
    "Element",
    "Factor",
    "GeneralLinear",
    "Group",
    "IsthmusError",
    "Jump",
    "Line",
    "Loss",
    "Monomial",
    "Orbit",
    "OrbitPath",
    "Orthogonal",
    "Params",
    "Permutation",
    "Polygon",
    "PositiveScaling",
    "RecomputeStatistics",
    "Rep",
    "Result",
    "SignedPermutation",
    "Space",
    "Symmetry",
    "Trivial",
    "Verdict",
    "WeightMatching",
    "Wreath",
    "align",
    "barrier",
    "check",
    "completeness",
    "connect",
    "discover",
    "distances",
    "explain",
    "load",
    "merge",
    "params_of",
    "recompute_statistics",
    "save",
    "verify",
]
