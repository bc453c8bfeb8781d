"""Mechanisms: what models on a path make use of, seen by taking it away from their inputs."""

from isthmus.landscape.mechanistic.fine_tuning import ConnectivityFineTuning
from isthmus.landscape.mechanistic.patterns import ActivationSwitches, activation_switches
from isthmus.landscape.mechanistic.reliance import Intervention, Mechanisms, mechanisms

__all__ = [
    "ActivationSwitches",
    "ConnectivityFineTuning",
    "Intervention",
    "Mechanisms",
    "activation_switches",
    "mechanisms",
]
