"""A drawing of lines, areas, dots, words and pixels that becomes SVG or PNG, and its scales."""

from isthmus.report.canvas.colours import COMPONENTS, TONES, component_colour, rgb, themed
from isthmus.report.canvas.pixels import drawing_png, require_pillow
from isthmus.report.canvas.png import png
from isthmus.report.canvas.scales import Cursor, Scale, number
from isthmus.report.canvas.shapes import (
    Area,
    Dot,
    Drawing,
    Line,
    Pixels,
    Shape,
    Words,
    beside,
    moved,
)
from isthmus.report.canvas.svg import FONT, drawing_svg

__all__ = [
    "COMPONENTS",
    "FONT",
    "TONES",
    "Area",
    "Cursor",
    "Dot",
    "Drawing",
    "Line",
    "Pixels",
    "Scale",
    "Shape",
    "Words",
    "beside",
    "component_colour",
    "drawing_png",
    "drawing_svg",
    "moved",
    "number",
    "png",
    "require_pillow",
    "rgb",
    "themed",
]
