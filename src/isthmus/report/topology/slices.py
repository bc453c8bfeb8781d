"""A slice with the components of its sublevel sets in colours, at one level or at several."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from isthmus.report.canvas import (
    COMPONENTS,
    Dot,
    Drawing,
    Line,
    Pixels,
    Scale,
    Shape,
    Words,
    component_colour,
    number,
    rgb,
)
from isthmus.report.surfaces.contours import heights, levels, shade
from isthmus.report.topology.persistence import many
from isthmus.report.topology.trees import leading
from isthmus.topology.slices import Sublevels, losses_of

_LEFT, _TOP, _GAP = 58.0, 74.0, 34.0
_HEAD, _AXIS = 46.0, 26.0
LOW, HIGH = np.array([205.0, 211.0, 218.0]), np.array([247.0, 248.0, 249.0])
"""Greys of what is above the level: just above it, and highest."""

_MARK = "#1b2430"
"""Of what is drawn over the picture, which is light on a dark page too."""

NOTE = "what is apart in the slice may be joined outside it"


def main_leaves(found: Sublevels, share: float = 0.01) -> list[int]:
    """The leaves that last at least this share of the range of losses, the longest first."""
    finite = losses_of(found.surface)
    finite = finite[np.isfinite(finite)]
    least = share * float(finite.max() - finite.min())
    pairs = found.tree.pairs()
    return [leaf for leaf in leading(found.tree) if pairs[leaf][1] - pairs[leaf][0] >= least]


def stages(found: Sublevels, count: int = 6, share: float = 0.01) -> list[float]:
    """Levels to look at, so many where there are as many places, in order.

    Between a level at which a component or loop that lasts appears or vanishes and the next, the
    picture stays the same in kind; of these stages those that reach over the most places are
    taken, and halved while there are too few.
    """
    losses = np.sort(losses_of(found.surface).ravel())
    losses = losses[np.isfinite(losses)]
    least = share * float(losses[-1] - losses[0])
    spans = [*found.tree.pairs(), *((loop.birth, loop.death) for loop in found.loops)]
    marks = {end for birth, death in spans if death - birth >= least for end in (birth, death)}
    cuts = sorted({0, len(losses), *(int(i) for i in np.searchsorted(losses, sorted(marks)))})
    parts = list(pairwise(cuts))
    while len(parts) < min(count, len(losses)):
        first, last = parts.pop(max(range(len(parts)), key=lambda k: parts[k][1] - parts[k][0]))
        middle = (first + last) // 2
        parts += [(first, middle), (middle, last)]
    parts.sort(key=lambda part: (part[0] - part[1], part))
    return sorted({float(losses[(first + last - 1) // 2]) for first, last in parts[:count]})


def told(found: Sublevels, level: float) -> str:
    """How many components and loops there are at a level."""
    components, loops = found.counts(level)
    return f"{many(components, 'components')}, {many(loops, 'loops')}"


def stages_drawing(
    found: Sublevels,
    names: Sequence[str] = (),
    at: Sequence[float] | None = None,
    *,
    title: str = "Sublevel sets of a slice",
    columns: int = 3,
    width: float = 236.0,
) -> Drawing:
    """The slice at several levels, every component in the colour of its eldest leaf.

    Args:
        found: The slice.
        names: Of the models that its surface marks.
        at: The levels; left out, those of `stages`.
        title: Above it.
        columns: Panels in a row.
        width: Of a panel, in pixels.
    """
    chosen = list(stages(found) if at is None else at)
    columns = max(1, min(columns, len(chosen)))
    row = _tall(found, width) + _HEAD + _AXIS
    shapes: list[Shape] = [
        Words(20, 26, title, size=16, bold=True),
        Words(20, 46, f"colours: components; grey: above the level; {NOTE}", "soft", 13),
    ]
    for k, level in enumerate(chosen):
        left = _LEFT + (width + _GAP) * (k % columns)
        top = _TOP + row * (k // columns) + _HEAD - 20
        shapes.append(Words(left, top - 24, f"loss ≤ {number(level)}", size=14, bold=True))
        shapes.append(Words(left, top - 7, told(found, level), "soft", 12.5))
        shapes += _panel(found, names, level, left, top, width)
    foot = _TOP + row * math.ceil(len(chosen) / columns) + 24
    shapes.append(Words(_LEFT, foot - 14, "axes: distance in weight space", "soft", 13))
    return Drawing(title, max(_LEFT + (width + _GAP) * columns, 560.0), foot, tuple(shapes))


def slice_drawing(
    found: Sublevels, names: Sequence[str], level: float, width: float = 460.0
) -> Drawing:
    """The slice at one level, larger and without a title in the picture."""
    foot = 12 + _tall(found, width) + 52
    note = Words(_LEFT + width / 2, foot - 12, "distance in weight space", "soft", 13, "middle")
    shapes = (*_panel(found, names, level, _LEFT, 12, width), note)
    return Drawing(f"The slice at loss {number(level)}", _LEFT + width + 20, foot, shapes)


def _tall(found: Sublevels, width: float) -> float:
    """The height of a panel in true proportions."""
    return width * _extent(found.surface.y) / _extent(found.surface.x)


def _extent(values: Sequence[float]) -> float:
    return values[-1] - values[0] or 1.0


def ranked(found: Sublevels) -> list[str]:
    """The colour of every leaf: those that last longest have one of their own, the others grey."""
    ranks = {leaf: rank for rank, leaf in enumerate(main_leaves(found)[: len(COMPONENTS)])}
    return [component_colour(ranks.get(leaf, len(COMPONENTS)))
            for leaf in range(len(found.tree.births))]  # fmt: skip


def _image(found: Sublevels, level: float, colours: Sequence[str]) -> NDArray[np.uint8]:
    """A pixel for each place, the first row at the top: components pale towards their edge."""
    labels = found.labels(level)
    grid = heights(found.surface)
    tone = shade(grid, levels(grid))[..., None]
    paint = np.array([rgb(colour) for colour in colours], dtype=np.float64)[labels]
    edge = max(float(tone[labels >= 0].max(initial=0.0)), 1e-9)
    inside = paint + 0.5 * (tone / edge) * (255 - paint)
    image = np.where(labels[..., None] >= 0, inside, LOW + tone * (HIGH - LOW))
    return image[::-1].round().clip(0, 255).astype(np.uint8)


def _panel(
    found: Sublevels, names: Sequence[str], level: float, left: float, top: float, width: float
) -> Iterator[Shape]:
    """The picture, its axes, the lowest places of the main components, and the models."""
    tall, surface = _tall(found, width), found.surface
    yield Pixels(left, top, width, tall, _image(found, level, ranked(found)))
    across, up = _scale(surface.x, left, left + width), _scale(surface.y, top + tall, top)
    for value in across.ticks(5):
        x = across(value)
        yield Line([(x, top + tall), (x, top + tall + 4)], "soft", 1.0)
        yield Words(x, top + tall + 17, number(value), "soft", 11, "middle")
    for value in up.ticks(5):
        y = up(value)
        yield Line([(left - 4, y), (left, y)], "soft", 1.0)
        yield Words(left - 7, y + 4, number(value), "soft", 11, "end")
    for leaf in main_leaves(found)[: len(COMPONENTS)]:
        x, y = across(found.minima[leaf][0]), up(found.minima[leaf][1])
        yield Line([(x - 4, y), (x + 4, y)], _MARK, 1.4)
        yield Line([(x, y - 4), (x, y + 4)], _MARK, 1.4)
    for name, (first, second) in zip(names, surface.corners, strict=False):
        x, y = across(first), up(second)
        yield Dot(x, y, 3.5, _MARK, edge="#ffffff")
        yield Words(x + 7, y - 6, name, _MARK, bold=True, halo=True)


def _scale(values: Sequence[float], start: float, stop: float) -> Scale:
    """From places of the slice to the page: to the middles of their pixels."""
    half = (stop - start) / (2 * len(values))
    high = values[-1] if len(values) > 1 else values[0] + 1.0
    return Scale(values[0], high, start + half, stop - half)
