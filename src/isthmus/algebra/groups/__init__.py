"""The groups that act on hidden spaces, all with one contract (`Group`)."""

from isthmus.algebra.groups.base import FLOAT as FLOAT
from isthmus.algebra.groups.base import Character as Character
from isthmus.algebra.groups.base import Group as Group
from isthmus.algebra.groups.base import Motion as Motion
from isthmus.algebra.groups.base import Value as Value
from isthmus.algebra.groups.lattice import Lattice as Lattice
from isthmus.algebra.groups.matrix import AbstractRotation as AbstractRotation
from isthmus.algebra.groups.matrix import GeneralLinear as GeneralLinear
from isthmus.algebra.groups.matrix import Orthogonal as Orthogonal
from isthmus.algebra.groups.monomial import AbstractMonomial as AbstractMonomial
from isthmus.algebra.groups.monomial import Monomial as Monomial
from isthmus.algebra.groups.monomial import Permutation as Permutation
from isthmus.algebra.groups.monomial import PositiveScaling as PositiveScaling
from isthmus.algebra.groups.monomial import SignedPermutation as SignedPermutation
from isthmus.algebra.groups.monomial import Trivial as Trivial
from isthmus.algebra.groups.monomial import monomial as monomial
from isthmus.algebra.groups.moves import Moves as Moves
from isthmus.algebra.groups.rotations import MeanOrthogonal as MeanOrthogonal
from isthmus.algebra.groups.rotations import PlaneRotation as PlaneRotation
from isthmus.algebra.groups.translation import Translation as Translation
from isthmus.algebra.groups.wreath import Blocks as Blocks
from isthmus.algebra.groups.wreath import Wreath as Wreath
from isthmus.algebra.groups.wreath import stack as stack
