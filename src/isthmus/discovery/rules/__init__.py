"""Typing rules, one file per operator family. A new operator is one function with `@rule`."""

from isthmus.discovery.rules import attention as attention
from isthmus.discovery.rules import bags as bags
from isthmus.discovery.rules import broadcast as broadcast
from isthmus.discovery.rules import cells as cells
from isthmus.discovery.rules import choosing as choosing
from isthmus.discovery.rules import contraction as contraction
from isthmus.discovery.rules import convolution as convolution
from isthmus.discovery.rules import counting as counting
from isthmus.discovery.rules import distance as distance
from isthmus.discovery.rules import indexing as indexing
from isthmus.discovery.rules import normalisation as normalisation
from isthmus.discovery.rules import pointwise as pointwise
from isthmus.discovery.rules import recurrent as recurrent
from isthmus.discovery.rules import reduction as reduction
from isthmus.discovery.rules import rotation as rotation
from isthmus.discovery.rules import scattering as scattering
from isthmus.discovery.rules import shape as shape
from isthmus.discovery.rules import spectral as spectral
from isthmus.discovery.rules.table import RULES as RULES
from isthmus.discovery.rules.table import Call as Call
from isthmus.discovery.rules.table import rule as rule
