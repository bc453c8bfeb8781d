"""What a training passes through: shared checkpoints, averages, snapshots, spectra."""

from isthmus.landscape.trajectory.averages import WeightAverage
from isthmus.landscape.trajectory.instability import Children, Instability, Trainer, instability
from isthmus.landscape.trajectory.rates import CyclicRate
from isthmus.landscape.trajectory.snapshots import Snapshots
from isthmus.landscape.trajectory.spectra import Spectra, shared_directions, spectra

__all__ = [
    "Children",
    "CyclicRate",
    "Instability",
    "Snapshots",
    "Spectra",
    "Trainer",
    "WeightAverage",
    "instability",
    "shared_directions",
    "spectra",
]
