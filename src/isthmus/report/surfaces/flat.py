"""A surface from above as SVG: bands of colour, contour lines, paths, the three models."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from isthmus.landscape.maps import Surface, Trace
from isthmus.report.canvas import FONT, png, themed
from isthmus.report.surfaces.contours import heights, levels, segments
from isthmus.report.surfaces.raster import colours, pixels

STYLE = (
    f".surface text{{font:13px {FONT}}}"
    + themed(".surface text{fill:$ink}.surface .soft{fill:$soft}")
    + """
.surface .level{fill:none;stroke:#1b2430;stroke-opacity:.35}
.surface .path{fill:none;stroke:#fff;stroke-width:3;stroke-linejoin:round}
.surface .halo{fill:none;stroke:#1b2430;stroke-width:5;stroke-opacity:.4;stroke-linejoin:round}
.surface .model{fill:#1b2430;stroke:#fff;stroke-width:2}
.surface .name{fill:#fff;font-weight:600;paint-order:stroke;stroke:#1b2430;stroke-width:3px}
""".replace("\n", "")
)
_LEFT, _TOP, _LEGEND = 64.0, 16.0, 132.0


@dataclass(frozen=True)
class _Frame:
    """From places of the map to the drawing."""

    surface: Surface
    width: float

    @property
    def scale(self) -> float:
        return self.width / (self.surface.x[-1] - self.surface.x[0])

    @property
    def height(self) -> float:
        return self.scale * (self.surface.y[-1] - self.surface.y[0])

    def at(self, x: float, y: float) -> str:
        return (
            f"{_LEFT + self.scale * (x - self.surface.x[0]):.1f} "
            f"{_TOP + self.scale * (self.surface.y[-1] - y):.1f}"
        )

    def xy(self, x: float, y: float) -> tuple[float, float]:
        left, top = map(float, self.at(x, y).split())
        return left, top


def contours_svg(
    surface: Surface, names: Sequence[str] = ("A", "B", "C"), width: float = 560
) -> str:
    """The map as one self-contained SVG.

    Args:
        surface: The loss on a plane.
        names: Of its three models.
        width: Of the map, in pixels.
    """
    frame = _Frame(surface, width)
    grid = heights(surface)
    bounds = levels(grid)
    lines = "".join(
        f"M{frame.at(*a)}L{frame.at(*b)}"
        for level in bounds
        for a, b in segments(surface.x, surface.y, grid, level)
    )
    size = (_LEFT + width + _LEGEND, _TOP + frame.height + 44)
    picture = base64.b64encode(png(pixels(surface, 400))).decode()
    head = (
        f'<svg class="surface" xmlns="http://www.w3.org/2000/svg" role="img" '
        f'viewBox="0 0 {size[0]:.0f} {size[1]:.0f}" width="{size[0]:.0f}" height="{size[1]:.0f}">'
        f"<title>The loss on the plane of three models</title><style>{STYLE}</style>"
        f'<image x="{_LEFT}" y="{_TOP}" width="{width:g}" height="{frame.height:.1f}" '
        f'preserveAspectRatio="none" href="data:image/png;base64,{picture}"/>'
    )
    parts = [
        head,
        f'<path class="level" d="{lines}"/>',
        *(_path(frame, name, trace) for name, trace in surface.paths.items()),
        *(_model(frame, name, c) for name, c in zip(names, surface.corners, strict=True)),
        *_axes(frame),
        *_legend(grid.min(), bounds, grid.max(), _LEFT + width + 18),
        "</svg>",
    ]
    return "".join(parts)


def _path(frame: _Frame, name: str, trace: Trace) -> str:
    way = "L".join(frame.at(x, y) for x, y in zip(trace.x, trace.y, strict=True))
    tip = f"{name}: loss at most {max(trace.losses):.4g}, {max(trace.away):.3g} off the plane"
    return (
        f'<g><title>{escape(tip)}</title><path class="halo" d="M{way}"/>'
        f'<path class="path" d="M{way}"/></g>'
    )


def _model(frame: _Frame, name: str, corner: tuple[float, float]) -> str:
    x, y = frame.xy(*corner)
    return (
        f'<circle class="model" cx="{x:.1f}" cy="{y:.1f}" r="5"/>'
        f'<text class="name" x="{x + 9:.1f}" y="{y - 8:.1f}">{escape(name)}</text>'
    )


def _axes(frame: _Frame) -> list[str]:
    """Numbers at the edges: distances in weight space."""
    found = []
    for k in range(5):
        x, y = (v[0] + (v[-1] - v[0]) * k / 4 for v in (frame.surface.x, frame.surface.y))
        left, _ = frame.xy(x, y)
        _, top = frame.xy(x, y)
        found.append(
            f'<text class="soft" x="{left:.1f}" y="{_TOP + frame.height + 18:.1f}" '
            f'text-anchor="middle">{x:.3g}</text><text class="soft" x="{_LEFT - 8:.1f}" '
            f'y="{top + 4:.1f}" text-anchor="end">{y:.3g}</text>'
        )
    return found


def _legend(low: float, bounds: Sequence[float], high: float, left: float) -> list[str]:
    """The colours with the losses where they change."""

    marks = [float(low), *bounds, float(high)]
    rgb = colours(np.linspace(0, 1, len(marks)))
    found = [f'<text class="soft" x="{left:.1f}" y="{_TOP + 10:.1f}">loss</text>']
    for k, (value, (r, g, b)) in enumerate(zip(marks[::-1], rgb[::-1].tolist(), strict=True)):
        y = _TOP + 22 + 20 * k
        found.append(
            f'<rect x="{left:.1f}" y="{y:.1f}" width="18" height="18" fill="rgb({r},{g},{b})"/>'
            f'<text x="{left + 26:.1f}" y="{y + 13:.1f}">{value:.3g}</text>'
        )
    return found
