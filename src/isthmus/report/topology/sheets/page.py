"""A page about sheets: the surfaces to be turned by hand, offline."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from isthmus.ground import BadInput
from isthmus.report.canvas import component_colour, drawing_svg, number
from isthmus.report.page import require_report
from isthmus.report.topology.document import document
from isthmus.report.topology.sheets.drawing import axes, sheets_drawing
from isthmus.report.topology.sheets.meshes import Mesh, meshes
from isthmus.topology.sheets import Sheets, weight

_LEAD = (
    "Zhao et al., Figure 1: the minimum of a network with one unit in each layer, without and with "
    "a skip connection around some of its layers. Every sheet is one component, found by labelling "
    "a grid; drag to turn, click a name to hide its sheet."
)


def sheets_page(found: Sequence[Sheets], sections: int = 9) -> str:
    """One self-contained HTML document, which shows surfaces that can be turned.

    Args:
        found: What is shown, one below the other: sheets of two factors, or of three, of which
            a slider holds the third.
        sections: At so many values.

    Raises:
        BadInput: There are other factors.
        MissingExtra: plotly is not installed.
    """
    require_report()
    from plotly.offline import get_plotlyjs

    figures = [_figure(one, f"sheets-{k}", sections) for k, one in enumerate(found)]
    body = "".join(map(_section, found, figures))
    title = "The sheets of a minimum"
    data = {"figures": figures}
    return document(title, _LEAD, body, script="sheets.js", data=data, library=get_plotlyjs())


def _places(found: Sheets, sections: int) -> list[int | None]:
    """The values at which the third factor is held, by their numbers; None for two factors."""
    if found.factors == 2:
        return [None]
    if found.factors != 3:
        raise BadInput(
            f"sheets of {found.factors} factors lie in {found.factors + 1} dimensions",
            "draw those of two factors, or of three, of which one is held",
        )
    last = len(found.axis) - 1
    return [round(last * k / (sections - 1)) for k in range(sections)]


def _figure(found: Sheets, name: str, sections: int) -> dict[str, Any]:
    names, sizes = axes(found)
    parts = [
        {
            "label": "" if place is None else f"{weight(3)} = {number(float(found.axis[place]))}",
            "meshes": [_trace(found, mesh) for mesh in meshes(found, place)],
        }
        for place in _places(found, sections)
    ]
    return {"id": name, "axes": names, "ranges": sizes, "sections": parts}


def _trace(found: Sheets, mesh: Mesh) -> dict[str, Any]:
    columns = zip("xyz", mesh.points.T.round(4).tolist(), strict=True)
    rows = zip("ijk", mesh.triangles.T.tolist(), strict=True)
    name = f"sheet {mesh.sheet}: {found.name(mesh.sheet)}"
    return {"name": name, "color": component_colour(mesh.sheet - 1), **dict(columns), **dict(rows)}


def _section(found: Sheets, figure: dict[str, Any]) -> str:
    middle = len(figure["sections"]) - 1
    slider = (
        f'<label class="slide">section<input type="range" id="{figure["id"]}-section" min="0" '
        f'max="{middle}" value="{middle}"><output></output></label>'
        if middle
        else ""
    )
    static = drawing_svg(sheets_drawing(found, len(found.axis) - 1 if middle else None, width=300))
    return (
        f"<section><h2>{escape(found.equation)}</h2><p>{escape(str(found))}.</p>"
        f'<div class="card">{slider}<div class="solid" id="{figure["id"]}" role="img" '
        f'aria-label="{escape(str(found))}"></div><noscript>{static}</noscript></div></section>'
    )
