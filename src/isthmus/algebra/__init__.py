"""Pure mathematics: groups, elements, and the action on named tensors. Knows no model."""

from isthmus.algebra.bases import basis_change as basis_change
from isthmus.algebra.bases import hadamard_change as hadamard_change
from isthmus.algebra.bases import streams as streams
from isthmus.algebra.elements import Element as Element
from isthmus.algebra.orbits import Orbit as Orbit
from isthmus.algebra.reps import Block as Block
from isthmus.algebra.reps import Rep as Rep
from isthmus.algebra.spaces import Axis as Axis
from isthmus.algebra.spaces import Factor as Factor
from isthmus.algebra.spaces import Reason as Reason
from isthmus.algebra.spaces import Space as Space
from isthmus.algebra.symmetry import Symmetry as Symmetry
