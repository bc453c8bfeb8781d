"""Triangles as an image: an eye, a light, and of every pixel the nearest triangle."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Grid = NDArray[np.float64]
_LIGHT = np.array([-0.35, 0.55, -0.75])
"""Towards the light, as the eye sees it: right, up, away."""
_SLACK = 1e-9
_AT_ONCE = 1000
"""Triangles that are drawn together."""


@dataclass(frozen=True, eq=False)
class View:
    """A box from (-1, -1, -1) to (1, 1, 1) seen from far away.

    Attributes:
        turn: How far it is turned about the vertical, in degrees.
        tilt: How far the eye is above the horizon, in degrees.
    """

    turn: float = 32.0
    tilt: float = 24.0
    axes: Grid = field(init=False, repr=False)

    def __post_init__(self) -> None:
        a, b = math.radians(self.turn), math.radians(self.tilt)
        right = [math.cos(a), math.sin(a), 0.0]
        away = [-math.sin(a) * math.cos(b), math.cos(a) * math.cos(b), -math.sin(b)]
        up = [-math.sin(a) * math.sin(b), math.cos(a) * math.sin(b), math.cos(b)]
        object.__setattr__(self, "axes", np.array([right, up, away]))

    def seen(self, points: Grid) -> Grid:
        """Points (n, 3) of the box as (right, up, away)."""
        return np.asarray(points @ self.axes.T)


class Image:
    """An image that triangles and lines are drawn into, the nearer over the farther.

    Args:
        view: How the box is seen.
        size: Pixels a side.
        reach: What of the view the image holds, from -reach to reach in both directions.
    """

    def __init__(self, view: View, size: int, reach: float) -> None:
        self.view, self.size, self.reach = view, size, reach
        self.colour = np.zeros((size, size, 4), dtype=np.float32)
        self.depth = np.full((size, size), np.inf)

    def _placed(self, points: Grid) -> Grid:
        """Points as (column, row, away)."""
        seen = self.view.seen(points)
        scale = self.size / (2 * self.reach)
        across, down = (seen[:, 0] + self.reach) * scale, (self.reach - seen[:, 1]) * scale
        return np.stack([across, down, seen[:, 2]], axis=1)

    def draw(
        self, points: Grid, normals: Grid, triangles: NDArray[np.int64], rgb: tuple[int, int, int]
    ) -> None:
        """Triangles of one colour, in the light."""
        placed, light = self._placed(points), _LIGHT / np.linalg.norm(_LIGHT)
        falls = np.abs(self.view.seen(normals) @ light)  # a sheet has two sides
        shade = 0.45 + 0.62 * falls
        corners, shades = placed[triangles], shade[triangles]
        seen = np.flatnonzero(np.abs(_twice(corners)) > 1e-9)  # not from the edge
        for part in np.array_split(seen, 1 + len(seen) // _AT_ONCE):
            self._fill(corners[part], shades[part], np.array(rgb, dtype=np.float64))

    def _fill(self, corners: Grid, shades: Grid, paint: Grid) -> None:
        """Triangles (n, 3 corners, 3) with the shades of their corners."""
        low = np.floor(corners[..., :2].min(axis=1) - 0.5).clip(0, self.size).astype(int)
        high = np.ceil(corners[..., :2].max(axis=1) + 0.5).clip(0, self.size).astype(int)
        wide, tall = (high - low).T
        # Every pixel of every triangle's box, with the number of the triangle.
        one = np.repeat(np.arange(len(corners)), wide * tall)
        inner = np.arange(len(one)) - np.repeat(np.cumsum(wide * tall) - wide * tall, wide * tall)
        column, row = low[one, 0] + inner % wide[one], low[one, 1] + inner // wide[one]
        second, third = (
            plane[one, 0] * (column + 0.5) + plane[one, 1] * (row + 0.5) + plane[one, 2]
            for plane in _shares(corners)
        )
        held = (second >= -_SLACK) & (third >= -_SLACK) & (second + third <= 1 + _SLACK)
        one, column, row = one[held], column[held], row[held]
        weights = np.stack([1 - second[held] - third[held], second[held], third[held]], axis=1)
        away = (weights * corners[one, :, 2]).sum(axis=1)
        order = np.argsort(-away, kind="stable")  # the nearest last
        order = order[away[order] < self.depth[row[order], column[order]]]
        place, tone = (row[order], column[order]), (weights * shades[one]).sum(axis=1)[order]
        self.depth[place] = away[order]
        self.colour[place] = np.clip([*(tone * part for part in paint), 255 + 0 * tone], 0, 255).T

    def trace(self, points: Grid, share: float, radius: int, bias: float = 0.02) -> None:
        """Darken a line through points where no sheet hides it; it is broken at NaN."""
        placed = self._placed(points)
        steps = np.abs(np.diff(placed[:, :2], axis=0)).max(axis=1)
        many = 1 + np.nan_to_num(steps).astype(int)  # at least one place for each pixel on the way
        start = np.repeat(np.arange(len(many)), many)
        part = np.arange(len(start)) - np.repeat(np.cumsum(many) - many, many)
        ahead = placed[start + 1] - placed[start]
        way = placed[start] + (part / many[start])[:, None] * ahead
        way = way[np.isfinite(way).all(axis=1)]
        reach = np.arange(-radius, radius + 1)
        around = np.stack(np.meshgrid(reach, reach), axis=-1).reshape(-1, 1, 2)
        column, row = np.floor(way[:, :2] + around).clip(0, self.size - 1).astype(int).T
        shown = (way[:, 2:] - bias < self.depth[row, column]) & np.isfinite(self.depth[row, column])
        covered = np.unique((row * self.size + column)[shown])
        self.colour.reshape(-1, 4)[covered, :3] *= share

    def pixels(self, finer: int) -> NDArray[np.uint8]:
        """The image, each square of so many pixels a side as one; uint8 (rows, columns, 4)."""
        side = self.size // finer
        blocks = self.colour.reshape(side, finer, side, finer, 4)
        opacity = blocks[..., 3:].mean(axis=(1, 3))
        paint = (blocks[..., :3] * blocks[..., 3:]).sum(axis=(1, 3))
        weight = np.maximum(blocks[..., 3:].sum(axis=(1, 3)), 1e-9)
        return np.concatenate([paint / weight, opacity], axis=2).round().astype(np.uint8)


def _shares(corners: Grid) -> tuple[Grid, Grid]:
    """The barycentric coordinates of the second and third corner of triangles (n, 3, 3).

    Each is a function a x + b y + c, as rows (a, b, c) of shape (n, 3).
    """
    (ax, bx, cx), (ay, by, cy) = corners[..., :2].transpose(2, 1, 0)
    part = 1 / _twice(corners)
    slopes = ((cy - ay, ax - cx), (ay - by, bx - ax))
    second, third = (
        np.stack([a * part, b * part, -(a * ax + b * ay) * part], axis=1) for a, b in slopes
    )
    return second, third


def _twice(corners: Grid) -> Grid:
    """Twice the areas of triangles (n, 3, 3) as they are seen, with a sign."""
    (ax, bx, cx), (ay, by, cy) = corners[..., :2].transpose(2, 1, 0)
    return np.asarray((bx - ax) * (cy - ay) - (cx - ax) * (by - ay))
