"""Theorems: of chords of curves, of rescaled pairs, of second derivatives on lines."""

from isthmus.landscape.bounds.chord import chord_bound as chord_bound
from isthmus.landscape.bounds.rescaling import Rescaling as Rescaling
from isthmus.landscape.bounds.rescaling import distance_to_fibre as distance_to_fibre
from isthmus.landscape.bounds.rescaling import largest_rescaled_barrier as largest_rescaled_barrier
from isthmus.landscape.bounds.rescaling import least_permuted_midpoint as least_permuted_midpoint
from isthmus.landscape.bounds.taylor import TaylorBarrier as TaylorBarrier
from isthmus.landscape.bounds.taylor import taylor_barrier as taylor_barrier
