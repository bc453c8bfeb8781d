"""Sheets as triangles, cut exactly where the sheets are cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isthmus.ground import BadInput
from isthmus.topology.sheets import Sheets

Grid = NDArray[np.float64]
Corner = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Mesh:
    """A sheet, or a section of one, in three dimensions.

    Attributes:
        sheet: Its number, from 1.
        points: (W_1, W_2, height), float64 of shape (n, 3).
        normals: Directions across the surface there, of length 1.
        triangles: Rows of ``points``, int of shape (m, 3).
    """

    sheet: int
    points: Grid
    normals: Grid
    triangles: NDArray[np.int64]


def meshes(found: Sheets, section: int | None = None) -> list[Mesh]:
    """The sheets over the plane of W_1 and W_2; those that do not meet it are left out.

    Args:
        found: With two factors, or with three of which the third is held.
        section: The number on the axis of the value at which the third is held.

    Raises:
        BadInput: There are other factors, or the section does not fit them.
    """
    if found.factors != (2 if section is None else 3):
        raise BadInput(
            f"sheets of {found.factors} factors {'without' if section is None else 'at'} a section",
            "draw two factors, or three with a section at which the third is held",
        )
    share = 1.0 if section is None else float(found.axis[section])
    last = () if section is None else (section,)
    denominators, labels = found.denominators[(..., *last)], found.labels[(..., *last)]
    polygons: dict[int, list[list[Corner]]] = {}
    for i in range(len(found.axis) - 1):
        for j in range(len(found.axis) - 1):
            ring = [(i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1)]
            corners = [(found.axis[a], found.axis[b], denominators[a, b]) for a, b in ring]
            for sign in (1, -1):
                sheet = max(labels[place] * (sign * denominators[place] > 0) for place in ring)
                if sheet:
                    piece = _cut(corners, sign, found.margin)
                    polygons.setdefault(int(sheet), []).append(piece)
    return [_mesh(sheet, polygons[sheet], share) for sheet in sorted(polygons)]


def _cut(corners: list[Corner], sign: int, margin: float) -> list[Corner]:
    """The part of a square where the denominator has the sign and is not below the margin.

    The denominator is linear along the sides, so that the cut is exact there.
    """
    found = []
    for k, here in enumerate(corners):
        after = corners[(k + 1) % 4]
        a, b = sign * here[2] - margin, sign * after[2] - margin
        if a >= 0:
            found.append(here)
        if (a < 0) != (b < 0):
            share = a / (a - b)
            x, y = (here[n] + share * (after[n] - here[n]) for n in (0, 1))
            found.append((x, y, sign * margin))
    return found


def _mesh(sheet: int, polygons: list[list[Corner]], share: float) -> Mesh:
    """Polygons as fans of triangles, equal corners as one point."""
    number: dict[Corner, int] = {}
    triangles = []
    for polygon in polygons:
        ring = [number.setdefault(corner, len(number)) for corner in polygon]
        triangles += [(ring[0], ring[k], ring[k + 1]) for k in range(1, len(ring) - 1)]
    x, y, denominator = np.array(list(number)).T
    height = 1 / denominator
    # The gradient of height * (share * x * y + skip) - 1.
    across = np.stack([height * share * y, height * share * x, denominator], axis=1)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    points = np.stack([x, y, height], axis=1)
    return Mesh(sheet, points, across, np.array(triangles, dtype=np.int64))
