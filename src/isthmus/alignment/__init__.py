"""Move one model along its orbit to meet another."""

from isthmus.alignment.align import Alignment as Alignment
from isthmus.alignment.align import align as align
from isthmus.alignment.matcher import Match as Match
from isthmus.alignment.matcher import Matcher as Matcher
from isthmus.alignment.weights import WeightMatching as WeightMatching
