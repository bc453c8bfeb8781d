"""A surface as a relief: a static 3-D view as SVG."""

from __future__ import annotations

import math

import numpy as np

from isthmus.landscape.maps import Surface
from isthmus.report.surfaces.contours import Grid, heights, levels, shade
from isthmus.report.surfaces.flat import STYLE
from isthmus.report.surfaces.raster import colours


def relief_svg(surface: Surface, turn: float = 35.0, tilt: float = 32.0, width: float = 640) -> str:
    """The relief from one side; heights rise by equal steps from level to level, as the colours do.

    Args:
        surface: The loss on a plane.
        turn: How far the map is turned about the vertical, in degrees.
        tilt: How far the eye is above the horizon, in degrees.
        width: Of the drawing, in pixels.
    """
    grid = heights(surface)
    bounds = levels(grid)
    shades = shade(grid, bounds)
    across, depth, up = _seen(surface, shades, turn, tilt)
    faces = []
    for j in range(len(surface.y) - 1):
        for i in range(len(surface.x) - 1):
            ring = [(j, i), (j, i + 1), (j + 1, i + 1), (j + 1, i)]
            far = sum(depth[place] for place in ring)
            faces.append((far, ring, float(np.mean([shades[place] for place in ring]))))
    low, high = across.min(), across.max()
    scale = (width - 32) / (high - low)
    height = scale * (up.max() - up.min()) + 32

    def at(x: float, y: float) -> str:
        return f"{16 + scale * (x - low):.1f} {16 + scale * (up.max() - y):.1f}"

    parts = []
    for _, ring, tone in sorted(faces, key=lambda face: -face[0]):  # the far ones first
        way = "L".join(at(float(across[place]), float(up[place])) for place in ring)
        r, g, b = colours(np.array(tone)).tolist()
        parts.append(f'<path d="M{way}Z" fill="rgb({r},{g},{b})"/>')
    return (
        f'<svg class="surface" xmlns="http://www.w3.org/2000/svg" role="img" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}">'
        f"<title>The loss as a relief</title><style>{STYLE}</style>"
        f'<g stroke="#1b2430" stroke-opacity=".25" stroke-width=".5">{"".join(parts)}</g></svg>'
    )


def _seen(surface: Surface, shades: Grid, turn: float, tilt: float) -> tuple[Grid, Grid, Grid]:
    """Every place of the grid as the eye sees it: across, how far away, and up."""
    x, y = np.meshgrid(np.array(surface.x), np.array(surface.y))
    size = max(surface.x[-1] - surface.x[0], surface.y[-1] - surface.y[0])
    x, y = (x - x.mean()) / size, (y - y.mean()) / size
    angle, eye = math.radians(turn), math.radians(tilt)
    across = x * math.cos(angle) - y * math.sin(angle)
    away = x * math.sin(angle) + y * math.cos(angle)
    up = away * math.sin(eye) + 0.45 * shades * math.cos(eye)
    return across, away * math.cos(eye) - 0.45 * shades * math.sin(eye), up
