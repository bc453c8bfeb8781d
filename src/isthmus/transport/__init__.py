"""Transport: the neurons of a layer as a measure; distances, rates, dimension, width."""

from isthmus.transport.rates import RateLaw as RateLaw
