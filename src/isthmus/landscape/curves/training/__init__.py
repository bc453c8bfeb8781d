"""The training of control points: one loop, whatever they are the control points of."""

from isthmus.landscape.curves.training.descent import descend
from isthmus.landscape.curves.training.options import Optimiser, Training, adam, cosine
from isthmus.landscape.curves.training.points import ControlPoints
from isthmus.landscape.curves.training.record import TrainingRecord
from isthmus.landscape.curves.training.task import Task

__all__ = [
    "ControlPoints",
    "Optimiser",
    "Task",
    "Training",
    "TrainingRecord",
    "adam",
    "cosine",
    "descend",
]
