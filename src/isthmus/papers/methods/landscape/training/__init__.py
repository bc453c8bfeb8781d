"""What these experiments share: networks, a training that can be cut, scores of members."""

from isthmus.papers.methods.landscape.training.descent import Descent
from isthmus.papers.methods.landscape.training.networks import SMALL, Network
from isthmus.papers.methods.landscape.training.predictions import outputs, scores

__all__ = ["SMALL", "Descent", "Network", "outputs", "scores"]
