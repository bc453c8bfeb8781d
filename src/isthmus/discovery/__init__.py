"""A module becomes a `Symmetry`: capture, typing, assembly, verification."""

from isthmus.discovery.asymmetry import FiGLU as FiGLU
from isthmus.discovery.asymmetry import FixedEntries as FixedEntries
from isthmus.discovery.asymmetry import asymmetric as asymmetric
from isthmus.discovery.completeness import Completeness as Completeness
from isthmus.discovery.completeness import completeness as completeness
from isthmus.discovery.directions import Direction as Direction
from isthmus.discovery.discover import discover as discover
from isthmus.discovery.explain import explain as explain
from isthmus.discovery.interpret import UnknownOperatorWarning as UnknownOperatorWarning
from isthmus.discovery.order import parameter_order as parameter_order
from isthmus.discovery.verify import verify as verify
