"""Figures: charts of curves, drawn on the canvas of `isthmus.report` and written as SVG or PNG."""

from isthmus.papers.figures.chart import Axis, Series, chart
from isthmus.report.canvas import Drawing as Drawn
from isthmus.report.canvas import Drawing as Picture
from isthmus.report.canvas import beside
from isthmus.report.canvas import drawing_png as as_png
from isthmus.report.canvas import drawing_svg as as_svg

__all__ = [
    "Axis",
    "Drawn",
    "Picture",
    "Series",
    "as_png",
    "as_svg",
    "beside",
    "chart",
]
