"""What joins many minima at once: a star's centre, simplexes of low loss."""

from isthmus.landscape.curves.many.simplexes import SimplicialComplex, simplexes
from isthmus.landscape.curves.many.star import StarDomain, star

__all__ = ["SimplicialComplex", "StarDomain", "simplexes", "star"]
