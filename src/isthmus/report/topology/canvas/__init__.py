"""A drawing of lines, areas, dots, words and pixels that becomes SVG or PNG, and its scales."""

from isthmus.report.topology.canvas.colours import COMPONENTS, component_colour, rgb
from isthmus.report.topology.canvas.pixels import drawing_png, require_pillow
from isthmus.report.topology.canvas.scales import Cursor, Scale, number
from isthmus.report.topology.canvas.shapes import Area, Dot, Drawing, Line, Pixels, Shape, Words

__all__ = [
    "COMPONENTS",
    "Area",
    "Cursor",
    "Dot",
    "Drawing",
    "Line",
    "Pixels",
    "Scale",
    "Shape",
    "Words",
    "component_colour",
    "drawing_png",
    "number",
    "require_pillow",
    "rgb",
]
