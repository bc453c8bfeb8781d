"""Regions between minima: convex hulls, and in how many dimensions a simplex has room."""

from isthmus.landscape.hull.convex import ConvexHull, convex_hull
from isthmus.landscape.hull.dimension import DimensionProbe, dimension_probe

__all__ = ["ConvexHull", "DimensionProbe", "convex_hull", "dimension_probe"]
