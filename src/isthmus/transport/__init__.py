"""Transport: the neurons of a layer as a measure; distances, rates, dimension, width."""

from isthmus.transport.bounds import DropoutStability as DropoutStability
from isthmus.transport.bounds import EffectiveWidths as EffectiveWidths
from isthmus.transport.bounds import LipschitzLoss as LipschitzLoss
from isthmus.transport.bounds import MeanFieldBound as MeanFieldBound
from isthmus.transport.bounds import SquaredLoss as SquaredLoss
from isthmus.transport.bounds import WidthNeeded as WidthNeeded
from isthmus.transport.bounds import WidthRates as WidthRates
from isthmus.transport.bounds import WidthRecursion as WidthRecursion
from isthmus.transport.bounds import dropout_stability as dropout_stability
from isthmus.transport.bounds import entezari_error as entezari_error
from isthmus.transport.bounds import matching_floor as matching_floor
from isthmus.transport.bounds import mean_field_bound as mean_field_bound
from isthmus.transport.bounds import propagated_error as propagated_error
from isthmus.transport.bounds import width_for as width_for
from isthmus.transport.bounds import width_rates as width_rates
