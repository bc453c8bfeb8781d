"""How far from optimal an alignment can be: bounds with evidence that a second program checks."""

from isthmus.alignment.optimality.certificate import optimality as optimality
from isthmus.alignment.optimality.certificate import spread as spread
from isthmus.alignment.optimality.exhaustive import Exhaustive as Exhaustive
from isthmus.alignment.optimality.recheck import Recheck as Recheck
from isthmus.alignment.optimality.recheck import recheck as recheck
from isthmus.alignment.optimality.stored import element_from_json as element_from_json
