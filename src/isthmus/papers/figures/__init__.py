"""Figures: pictures of lines, dots and words, drawn once and written as SVG or PNG."""

from isthmus.papers.figures.chart import Axis, Series, chart
from isthmus.papers.figures.files import Drawn, as_png, as_svg
from isthmus.papers.figures.picture import Dot, Line, Patch, Picture, Text, beside
from isthmus.papers.figures.png import png
from isthmus.papers.figures.svg import svg

__all__ = [
    "Axis",
    "Dot",
    "Drawn",
    "Line",
    "Patch",
    "Picture",
    "Series",
    "Text",
    "as_png",
    "as_svg",
    "beside",
    "chart",
    "png",
    "svg",
]
