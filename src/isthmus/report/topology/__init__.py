"""Pictures of topology: sheets, slices with their components, merge trees, persistence."""

from isthmus.report.canvas import require_pillow
from isthmus.report.topology.folders import write_sheets, write_slice, write_trees
from isthmus.report.topology.level_pages import slice_page, tree_page
from isthmus.report.topology.persistence import barcode_drawing, persistence_drawing
from isthmus.report.topology.sheets import sheets_drawing, sheets_page
from isthmus.report.topology.slices import slice_drawing, stages, stages_drawing
from isthmus.report.topology.trees import tree_drawing

__all__ = [
    "barcode_drawing",
    "persistence_drawing",
    "require_pillow",
    "sheets_drawing",
    "sheets_page",
    "slice_drawing",
    "slice_page",
    "stages",
    "stages_drawing",
    "tree_drawing",
    "tree_page",
    "write_sheets",
    "write_slice",
    "write_trees",
]
