"""Pictures of the loss on a plane: contours and paths from above, relief, one page with both."""

from isthmus.report.surfaces.flat import contours_svg
from isthmus.report.surfaces.page import surface_page, write_surface
from isthmus.report.surfaces.raster import contours_png
from isthmus.report.surfaces.solid import relief_svg

__all__ = ["contours_png", "contours_svg", "relief_svg", "surface_page", "write_surface"]
