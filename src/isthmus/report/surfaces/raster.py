"""A surface as pixels: the colours of the map, and PNG files of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isthmus.landscape.maps import Surface, Trace
from isthmus.report.canvas import png
from isthmus.report.surfaces.contours import Grid, heights, levels, shade

_STOPS = np.array([[11, 92, 102], [38, 150, 136], [214, 205, 160], [214, 122, 76], [150, 40, 48]])
"""From low to high: teal, sand, red."""
_INK, _PAPER = np.array([27, 36, 48]), np.array([255, 255, 255])


def colours(shades: Grid) -> NDArray[np.uint8]:
    """Numbers from 0 to 1 as red, green and blue, shape (..., 3)."""
    marks = np.linspace(0, 1, len(_STOPS))
    parts = [np.interp(shades, marks, _STOPS[:, k]) for k in range(3)]
    return np.stack(parts, axis=-1).round().astype(np.uint8)


def pixels(surface: Surface, width: int) -> NDArray[np.uint8]:
    """The map as an image of this width in true proportions, bilinear between the places."""
    grid = heights(surface)
    span = (surface.x[-1] - surface.x[0], surface.y[-1] - surface.y[0])
    height = 1 + max(1, round((width - 1) * span[1] / span[0]))
    i = np.linspace(0, len(surface.x) - 1, width)
    j = np.linspace(len(surface.y) - 1, 0, height)  # upwards
    across = np.stack([np.interp(i, np.arange(len(row)), row) for row in grid])
    rows = np.arange(len(grid))
    image = np.stack([np.interp(j, rows, column) for column in across.T], axis=1)
    return colours(shade(image, levels(grid)))


def contours_png(surface: Surface, width: int = 800) -> bytes:
    """The map with bands of colour, its paths and its three models, as a PNG file without text."""
    image = pixels(surface, width)
    scale = (width - 1) / (surface.x[-1] - surface.x[0])
    for trace in surface.paths.values():
        _draw(image, *_on(surface, trace, scale), radius=width / 260)
    for x, y in surface.corners:
        place = np.array([x - surface.x[0], surface.y[-1] - y]) * scale
        _dot(image, place, width / 80, _PAPER)
        _dot(image, place, width / 110, _INK)
    return png(image)


def _on(surface: Surface, trace: Trace, scale: float) -> tuple[Grid, Grid]:
    """Where a path is, in pixels."""
    x, y = np.array(trace.x) - surface.x[0], surface.y[-1] - np.array(trace.y)
    return x * scale, y * scale


def _draw(image: NDArray[np.uint8], x: Grid, y: Grid, radius: float) -> None:
    """A line through places, by dots that overlap."""
    for k in range(len(x) - 1):
        steps = max(2, int(np.hypot(x[k + 1] - x[k], y[k + 1] - y[k]) / radius) + 1)
        for share in np.linspace(0, 1, steps):
            here = np.array([x[k] + share * (x[k + 1] - x[k]), y[k] + share * (y[k + 1] - y[k])])
            _dot(image, here, radius, _PAPER)


def _dot(image: NDArray[np.uint8], place: Grid, radius: float, colour: NDArray[np.int64]) -> None:
    """A disc, with soft edges."""
    low = np.maximum(np.floor(place - radius - 1).astype(int), 0)
    high = np.minimum(np.ceil(place + radius + 2).astype(int), image.shape[1::-1])
    if (high <= low).any():
        return
    columns, rows = np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]))
    cover = np.clip(radius + 0.5 - np.hypot(columns - place[0], rows - place[1]), 0, 1)[..., None]
    part = image[low[1] : high[1], low[0] : high[0]]
    part[:] = ((1 - cover) * part + cover * colour).round().astype(np.uint8)
