"""Pages with a slider over levels: of a slice, and of the merge tree of any set of minima."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from isthmus.ground.results import plain
from isthmus.report.canvas import Drawing, Scale, drawing_svg, number, rgb
from isthmus.report.surfaces.contours import heights, levels, shade
from isthmus.report.topology.document import document, section
from isthmus.report.topology.persistence import barcode_drawing, many, persistence_drawing
from isthmus.report.topology.slices import (
    HIGH,
    LOW,
    main_leaves,
    ranked,
    slice_drawing,
    stages,
    stages_drawing,
)
from isthmus.report.topology.trees import Pairs, ends_of, tree_drawing
from isthmus.topology.merging_tree import MergeTree
from isthmus.topology.slices import Sublevels, losses_of

_STOPS = 240
_ROWS = 40
_CHARTS = (
    "In the tree a line is a minimum, from its loss up to where it meets a lower one; a bar is a "
    "component or a loop, from the level at which it appears to that at which it is gone."
)
_DIAGRAM = "Far above the diagonal is what lasts; near to it, what may be noise."
_TREES = (
    "Every minimum appears at its loss, and joins another where a path between them was found that "
    "climbs no higher. Other paths, not looked for, can only lower the levels at which they meet."
)


def loops_of(found: Sublevels) -> list[tuple[float, float]]:
    """(birth, death) of every loop."""
    return [(loop.birth, loop.death) for loop in found.loops]


def slice_page(
    found: Sublevels, names: Sequence[str] = (), title: str = "Sublevel sets of a slice"
) -> str:
    """The slice with a slider over levels, its merge tree and its persistence: one HTML document.

    Args:
        found: The slice.
        names: Of the models that its surface marks.
        title: The heading of the page.
    """
    losses = np.sort(losses_of(found.surface).ravel())
    losses = losses[np.isfinite(losses)]
    stops = [float(losses[round(k * (len(losses) - 1) / _STOPS)]) for k in range(_STOPS + 1)]
    main = main_leaves(found)
    kinds = (found.tree.pairs(), loops_of(found))
    charts = {
        "tree-0": tree_drawing(found.tree, also=ends_of(*kinds), most=max(1, len(main))),
        "bars-0": barcode_drawing(kinds),
    }
    fullest = max(stages(found), key=lambda level: len(found.tree.components(level)))
    start = min(bisect_left(stops, fullest), _STOPS)
    several = drawing_svg(stages_drawing(found, names))
    picture = drawing_svg(slice_drawing(found, names, stops[start]))
    charted = _drawn(charts, "tree-0", "bars-0")
    pair = f'<div class="pair"><div id="map">{picture}</div><div>{charted}</div></div>'
    text = f"{_sentences(found)} {_CHARTS}"
    body = (
        section("The level", text, _slider(stops, start) + pair)
        + section("Births and deaths", _DIAGRAM, drawing_svg(persistence_drawing(kinds)))
        + section("Minima", _minima_text(found, main), _minima(found, main))
        + section("Stages", "The same at several levels.", several)
    )
    data = _data([found.tree], stops, charts, loops_of(found), "loss") | {"map": _map(found)}
    lead = (
        "The set of places whose loss is at most the level, its components in colours. Components "
        "of a slice are not those of the landscape: what is apart here may be joined outside the "
        "plane, and between the places of the grid the loss was not looked at."
    )
    return document(title, lead, body, script="levels.js", data=data)


def tree_page(
    trees: Mapping[str, MergeTree],
    names: Sequence[str],
    *,
    title: str = "How minima are joined",
    notes: Sequence[str] = (),
    level: float | None = None,
    unit: str = "loss",
) -> str:
    """Merge trees of the same minima with a slider over levels: one HTML document.

    Args:
        trees: By what they are of, as "in parameter space" and "up to symmetry".
        names: Of the minima.
        title: The heading of the page.
        notes: What is said of them, a paragraph each.
        level: One that is marked, and that the slider begins at.
        unit: What the levels are.
    """
    ends = ends_of(*(tree.pairs() for tree in trees.values()))
    ends += [] if level is None else [level]
    first, charts = next(iter(trees.values())), {}
    for k, tree in enumerate(trees.values()):
        charts[f"tree-{k}"] = tree_drawing(
            tree, names, unit=unit, level=level, also=ends, like=first
        )
        charts[f"bars-{k}"] = barcode_drawing([tree.pairs()], unit=unit, also=ends)
    stops = _stops(ends)
    start = len(stops) // 2 if level is None else stops.index(level)
    parts = [
        f'<h3>{escape(word[:1].upper() + word[1:])}</h3><p class="groups" id="groups-{k}"></p>'
        f'<div class="pair">{_drawn(charts, f"tree-{k}", f"bars-{k}")}</div>'
        for k, word in enumerate(trees)
    ]
    text = f"Minima in one pair of braces are one component at this level. {_CHARTS}"
    body = section("The level", text, _slider(stops, start) + "".join(parts))
    if notes:
        body += "<section>" + "".join(f"<p>{escape(note)}</p>" for note in notes) + "</section>"
    for word, tree in trees.items():
        diagram = persistence_drawing([tree.pairs()], unit=unit)
        body += section(f"Births and deaths, {word}", _DIAGRAM, drawing_svg(diagram))
    data = _data(list(trees.values()), stops, charts, (), unit) | {"names": list(names)}
    return document(title, _TREES, body, script="levels.js", data=data)


def _drawn(charts: Mapping[str, Drawing], *names: str) -> str:
    return "".join(f'<div id="{name}">{drawing_svg(charts[name])}</div>' for name in names)


def _stops(events: Iterable[float]) -> list[float]:
    """Levels for the slider: all at which something happens, and others in between."""
    held = sorted({event for event in events if math.isfinite(event)})
    scale = Scale.over(held, 0.0, 1.0)
    between = np.linspace(0, 1, _STOPS)
    if scale.logarithmic:
        even = scale.low * (scale.high / scale.low) ** between
    else:
        even = scale.low + (scale.high - scale.low) * between
    return sorted({*even.tolist(), *held})


def _slider(stops: Sequence[float], start: int) -> str:
    return (
        f'<label class="slide">level<input id="level" type="range" min="0" '
        f'max="{len(stops) - 1}" value="{start}"><output></output></label>'
    )


def _sentences(found: Sublevels) -> str:
    """What the slice says of itself, but for the warning, which is in the lead."""
    first, second, _ = str(found).splitlines()
    return f"{first[:1].upper()}{first[1:]}; {second}."


def _data(
    trees: Sequence[MergeTree],
    stops: Sequence[float],
    charts: Mapping[str, Drawing],
    loops: Pairs,
    unit: str,
) -> dict[str, Any]:
    """What the script needs besides the pictures."""
    cursors = {name: drawing.cursor for name, drawing in charts.items() if drawing.cursor}
    return {
        "trees": [{"births": tree.births, "merges": tree.merges} for tree in trees],
        "levels": list(stops),
        "charts": [{"id": name, **plain(cursor)} for name, cursor in cursors.items()],
        "loops": [(birth, death if math.isfinite(death) else None) for birth, death in loops],
        "unit": unit,
        "map": None,
        "names": [],
    }


def _map(found: Sublevels) -> dict[str, Any]:
    grid, losses = heights(found.surface), losses_of(found.surface)
    return {
        "losses": [[v if math.isfinite(v) else None for v in row] for row in losses.tolist()],
        "basins": found.basins.tolist(),
        "shades": shade(grid, levels(grid)).round(3).tolist(),
        "colours": [rgb(colour) for colour in ranked(found)],
        "low": LOW.tolist(),
        "high": HIGH.tolist(),
    }


def _minima_text(found: Sublevels, main: Sequence[int]) -> str:
    left_out = len(found.tree.births) - len(main)
    more = f"; {many(left_out, 'others')} that last less than 1% of the range left out"
    return f"The lowest places of components that last{more if left_out else ''}."


def _minima(found: Sublevels, main: Sequence[int]) -> str:
    """A table of the leaves that last: where, how deep, and which one each joins."""
    joined = {young: (elder, at, place) for (elder, young, at), place
              in zip(found.tree.merges, found.saddles, strict=True)}  # fmt: skip
    rows = []
    for leaf in sorted(main)[:_ROWS]:
        x, y = found.minima[leaf]
        place = f"({number(x)}, {number(y)})" + ", at the edge" * found.at_edge(leaf)
        cells = [str(leaf), number(found.tree.births[leaf]), place]
        elder = joined.get(leaf)
        cells += (
            [str(elder[0]), number(elder[1]), f"({number(elder[2][0])}, {number(elder[2][1])})"]
            if elder
            else ["never", "", ""]
        )
        rows.append("".join(f"<td>{escape(cell)}</td>" for cell in cells))
    heads = ("minimum", "loss", "place", "joins", "at loss", "saddle")
    head = "".join(f"<th>{word}</th>" for word in heads)
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"
