"""Heat maps: distances as squares of one colour, the more the farther, as small static SVGs."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from isthmus.alignment import OrbitDistance
from isthmus.report.canvas import FONT, themed

_STYLE = f".heat text{{font:13px {FONT}}}.heat .bed{{fill-opacity:.08}}" + themed(
    ".heat text{fill:$ink}.heat .soft{fill:$soft}.heat .cell{fill:$red}.heat .bed{fill:$grey}"
    ".heat .light{fill:$paper}"
)

_CELL, _WIDE, _LETTER = 30.0, 118.0, 7.4
_MOST = 2**0.5
"""Where a colour is full: the distance of two models of one size that share nothing."""


def layers_svg(distance: OrbitDistance) -> str:
    """One row for each layer: how far apart as the models are, and between their orbits.

    Shares of the layer's own size; a full colour is the distance of strangers, √2.
    """
    rows = [(name, gap) for name, gap in distance.layers.items() if gap.size or gap.size_before]
    values = [(gap.relative_before, gap.relative) for _, gap in rows]
    names = [name for name, _ in rows]
    return heat_svg(values, names, ("as they are", "between orbits"), width=_WIDE)


def pairs_svg(values: Sequence[Sequence[float]], names: Sequence[str]) -> str:
    """A square for every pair of models: their distance as a share of their size."""
    width = max(56.0, max(map(len, names), default=0) * _LETTER + 14)
    return heat_svg(values, names, names, width=width)


def heat_svg(
    values: Sequence[Sequence[float]],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    width: float,
) -> str:
    """Shares as a table of coloured cells.

    Args:
        values: One number for each row and column; 0 is blank, √2 and more is full.
        rows: Names, at the left.
        columns: Names, above.
        width: Of a cell, in pixels.
    """
    left = max(map(len, rows), default=0) * _LETTER + 18
    size = (left + width * len(columns) + 8, 28 + _CELL * len(rows) + 8)
    heads = [
        f'<text class="soft" x="{left + width * (k + 0.5):.1f}" y="18" text-anchor="middle">'
        f"{escape(name)}</text>"
        for k, name in enumerate(columns)
    ]
    body = [
        _cell(left + width * k, 28 + _CELL * at, width, value)
        for at, row in enumerate(values)
        for k, value in enumerate(row)
    ]
    names = [
        f'<text x="{left - 10:.1f}" y="{28 + _CELL * (k + 0.5) + 4.5:.1f}" text-anchor="end">'
        f"{escape(name)}</text>"
        for k, name in enumerate(rows)
    ]
    return (
        f'<svg class="heat" xmlns="http://www.w3.org/2000/svg" role="img" '
        f'viewBox="0 0 {size[0]:.0f} {size[1]:.0f}" width="{size[0]:.0f}" height="{size[1]:.0f}">'
        f"<title>Distances as shares of size</title><style>{_STYLE}</style>"
        f"{''.join([*heads, *names, *body])}</svg>"
    )


def _cell(x: float, y: float, width: float, value: float) -> str:
    share = min(1.0, value / _MOST)
    box = f'x="{x + 1.5:.1f}" y="{y + 1.5:.1f}" width="{width - 3:.1f}" height="{_CELL - 3:.1f}"'
    tone = "light" if share > 0.72 else ""
    return (
        f'<rect class="bed" rx="4" {box}/>'
        f'<rect class="cell" rx="4" fill-opacity="{share:.3f}" {box}/>'
        f'<text class="{tone}" x="{x + width / 2:.1f}" y="{y + _CELL / 2 + 4.5:.1f}" '
        f'text-anchor="middle">{value:.0%}</text>'
    )
