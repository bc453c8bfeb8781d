"""Pictures of the sheets of a minimum: from one side, and to be turned on a page."""

from isthmus.report.topology.sheets.drawing import sheets_drawing
from isthmus.report.topology.sheets.page import sheets_page

__all__ = ["sheets_drawing", "sheets_page"]
