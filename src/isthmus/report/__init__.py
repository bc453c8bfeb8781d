"""Reports: two checkpoints connected, the result in words, and one HTML file that shows it."""

from isthmus.report.connect import Settings, connect
from isthmus.report.connection import ALIGNED, HOME, NAIVE, Connection
from isthmus.report.drawing import network_svg
from isthmus.report.folder import FILES, protect, write_folder
from isthmus.report.heat import heat_svg, layers_svg, pairs_svg
from isthmus.report.page import page, require_report
from isthmus.report.plots import barrier_svg
from isthmus.report.words import headline, short

__all__ = [
    "ALIGNED",
    "FILES",
    "HOME",
    "NAIVE",
    "Connection",
    "Settings",
    "barrier_svg",
    "connect",
    "headline",
    "heat_svg",
    "layers_svg",
    "network_svg",
    "page",
    "pairs_svg",
    "protect",
    "require_report",
    "short",
    "write_folder",
]
