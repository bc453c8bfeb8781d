"""Tuning: learn a second task where the loss of the first is flat, or against what it costs there.

Motion along the orbit of the group leaves the function as it is on all inputs, so those of the
second task too: it can learn nothing (`OrbitTangent`). What can learn are directions that are flat
on the first task's data alone: `LayerInputs` and `LowRankFisher` find some, `Projected` keeps any
optimiser to them, and `ElasticPenalty` pulls back from all others.
"""

from isthmus.landscape.tuning.elastic import Curvature, ElasticPenalty
from isthmus.landscape.tuning.fisher import DiagonalFisher
from isthmus.landscape.tuning.flat import FlatDirections
from isthmus.landscape.tuning.inputs import LayerInputs
from isthmus.landscape.tuning.low_rank import LowRankFisher
from isthmus.landscape.tuning.orbit import OrbitTangent
from isthmus.landscape.tuning.projected import Projected
from isthmus.landscape.tuning.tune import tune

__all__ = [
    "Curvature",
    "DiagonalFisher",
    "ElasticPenalty",
    "FlatDirections",
    "LayerInputs",
    "LowRankFisher",
    "OrbitTangent",
    "Projected",
    "tune",
]
