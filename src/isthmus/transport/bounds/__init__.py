"""Bounds of what width buys: of two given networks, of wider ones, of deeper ones."""

from isthmus.transport.bounds.depth.recursion import EffectiveWidths as EffectiveWidths
from isthmus.transport.bounds.depth.recursion import WidthRecursion as WidthRecursion
from isthmus.transport.bounds.depth.recursion import entezari_error as entezari_error
from isthmus.transport.bounds.depth.recursion import matching_floor as matching_floor
from isthmus.transport.bounds.depth.recursion import propagated_error as propagated_error
from isthmus.transport.bounds.depth.towers import Tower as Tower
from isthmus.transport.bounds.two_layers.losses import ConvexLoss as ConvexLoss
from isthmus.transport.bounds.two_layers.losses import LipschitzLoss as LipschitzLoss
from isthmus.transport.bounds.two_layers.losses import SquaredLoss as SquaredLoss
from isthmus.transport.bounds.two_layers.mean_field import MeanFieldBound as MeanFieldBound
from isthmus.transport.bounds.two_layers.mean_field import mean_field_bound as mean_field_bound
from isthmus.transport.bounds.two_layers.study import Gap as Gap
from isthmus.transport.bounds.width.needed import WidthNeeded as WidthNeeded
from isthmus.transport.bounds.width.needed import width_for as width_for
from isthmus.transport.bounds.width.stability import DropoutStability as DropoutStability
from isthmus.transport.bounds.width.stability import WidthRates as WidthRates
from isthmus.transport.bounds.width.stability import dropout_stability as dropout_stability
from isthmus.transport.bounds.width.stability import width_rates as width_rates
from isthmus.transport.bounds.width.subnetworks import Subnetworks as Subnetworks
from isthmus.transport.bounds.width.subnetworks import subnetworks as subnetworks
