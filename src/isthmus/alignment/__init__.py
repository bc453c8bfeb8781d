"""Move one model along its orbit to meet another."""

from isthmus.alignment.align import Alignment as Alignment
from isthmus.alignment.align import align as align
from isthmus.alignment.canonical_forms import Balanced as Balanced
from isthmus.alignment.canonical_forms import Form as Form
from isthmus.alignment.canonical_forms import UnitNorm as UnitNorm
from isthmus.alignment.canonical_forms import canonical as canonical
from isthmus.alignment.canonical_start import Canonical as Canonical
from isthmus.alignment.many import Alignments as Alignments
from isthmus.alignment.many import align_all as align_all
from isthmus.alignment.matcher import Match as Match
from isthmus.alignment.matcher import Matcher as Matcher
from isthmus.alignment.orbit_distance import Gap as Gap
from isthmus.alignment.orbit_distance import OrbitDistance as OrbitDistance
from isthmus.alignment.orbit_distance import distance as distance
from isthmus.alignment.starts import Identity as Identity
from isthmus.alignment.starts import Outward as Outward
from isthmus.alignment.starts import Random as Random
from isthmus.alignment.starts import Signature as Signature
from isthmus.alignment.strategies import Pairwise as Pairwise
from isthmus.alignment.strategies import Star as Star
from isthmus.alignment.strategies import Strategy as Strategy
from isthmus.alignment.universe import Universe as Universe
from isthmus.alignment.universe import Warm as Warm
from isthmus.alignment.weights import WeightMatching as WeightMatching
