"""Dynamics: what a symmetry says about training."""

from isthmus.landscape.dynamics.charges import Charges, charges
from isthmus.landscape.dynamics.decay import Decay
from isthmus.landscape.dynamics.monitor import ChargeMonitor, ChargeRecord
from isthmus.landscape.dynamics.teleport import Flattest, Steepest, Teleport, teleport

__all__ = [
    "ChargeMonitor",
    "ChargeRecord",
    "Charges",
    "Decay",
    "Flattest",
    "Steepest",
    "Teleport",
    "charges",
    "teleport",
]
