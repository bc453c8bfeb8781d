"""Maps of the landscape: which layer makes a barrier, planes through models, features on a path."""

from isthmus.landscape.maps.features import FeatureConnectivity, feature_connectivity
from isthmus.landscape.maps.layers import LayerBarriers, layer_barriers
from isthmus.landscape.maps.planes import Plane, Surface, Trace, surface
from isthmus.landscape.maps.residuals import ResidualBound, residual_bound

__all__ = [
    "FeatureConnectivity",
    "LayerBarriers",
    "Plane",
    "ResidualBound",
    "Surface",
    "Trace",
    "feature_connectivity",
    "layer_barriers",
    "residual_bound",
    "surface",
]
