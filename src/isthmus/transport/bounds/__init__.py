"""Bounds of what width buys: of two given networks, of wider ones, of deeper ones."""

from isthmus.transport.bounds.losses import ConvexLoss as ConvexLoss
from isthmus.transport.bounds.losses import LipschitzLoss as LipschitzLoss
from isthmus.transport.bounds.losses import SquaredLoss as SquaredLoss
from isthmus.transport.bounds.mean_field import MeanFieldBound as MeanFieldBound
from isthmus.transport.bounds.mean_field import mean_field_bound as mean_field_bound
from isthmus.transport.bounds.study import Gap as Gap
