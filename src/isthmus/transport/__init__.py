"""Transport: the neurons of a layer as a measure; distances, rates, dimension, width."""

from isthmus.transport.dimension.effective import effective_dimension as effective_dimension
from isthmus.transport.dimension.intrinsic import LevinaBickel as LevinaBickel
from isthmus.transport.dimension.intrinsic import TwoNearest as TwoNearest
from isthmus.transport.dimension.intrinsic import intrinsic_dimension as intrinsic_dimension
from isthmus.transport.distances.sliced import sliced_bound as sliced_bound
from isthmus.transport.distances.solvers import Entropic as Entropic
from isthmus.transport.distances.solvers import Exact as Exact
from isthmus.transport.distances.wasserstein import Transport as Transport
from isthmus.transport.distances.wasserstein import sinkhorn_divergence as sinkhorn_divergence
from isthmus.transport.distances.wasserstein import wasserstein as wasserstein
from isthmus.transport.estimate import Estimate as Estimate
from isthmus.transport.fits import RateFit as RateFit
from isthmus.transport.fits import fit_rate as fit_rate
from isthmus.transport.fits import halves as halves
from isthmus.transport.fits import samples as samples
from isthmus.transport.measures.measure import Measure as Measure
from isthmus.transport.measures.moments import second_moments as second_moments
from isthmus.transport.measures.neurons import Parts as Parts
from isthmus.transport.measures.neurons import neurons as neurons
from isthmus.transport.measures.neurons import unit_spaces as unit_spaces
from isthmus.transport.rates import RateLaw as RateLaw
