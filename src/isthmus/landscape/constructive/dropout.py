"""The dropout-stable path (Kuditipudi et al. 2019): half of the units make room for another model.

Each end first does without half of its units, layer after layer from the last; then the two halves
stand side by side, and the outputs go straight from those of one to those of the other. Every
segment is flat, or moves the outputs straight between those of its ends: for a loss that is convex
in the outputs, no point of the path is above the highest corner.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import TypeAlias

import torch
from torch import Tensor

from isthmus.algebra import Symmetry
from isthmus.ground import BadInput
from isthmus.landscape.constructive.segments import Segments
from isthmus.landscape.constructive.units import Units

Point: TypeAlias = "Mapping[str, Tensor]"
Kept: TypeAlias = "Mapping[str, Sequence[int]]"
"""By space, the units that stay: at most half."""


def strongest_half(symmetry: Symmetry, params: Point) -> dict[str, tuple[int, ...]]:
    """The units of every hidden space with the largest products of row and column norm: half of it.

    Raises:
        BadInput: The model has other spaces than layers of units, one after the other.
    """
    symmetry.check(params)
    x = symmetry.coordinates(params)
    found = {}
    for name, units in _layers(symmetry).items():
        strength = units.sizes(x, dual=False) * units.sizes(x, dual=True)
        best = strength.argsort(descending=True, stable=True)[: units.size // 2]
        found[name] = tuple(sorted(best.tolist()))
    return found


def dropout_path(
    symmetry: Symmetry,
    a: Point,
    b: Point,
    kept_a: Kept | None = None,
    kept_b: Kept | None = None,
    factor: float = 2.0,
) -> Segments:
    """From a to b through points at which half of the units are left out.

    Args:
        symmetry: The group and its action: the hidden spaces, and what they read and write.
        a: Where the path starts.
        b: Where it ends.
        kept_a: The units of a that stay, for every hidden space; None takes `strongest_half`.
        kept_b: The same of b.
        factor: What the columns of those that stay are multiplied with.

    Raises:
        BadInput: More than half of a space is kept, or a unit twice; or the model has other spaces
            than layers of units, one after the other.
        UnknownName: ``a`` or ``b`` are not of the symmetry's model; so ShapeMismatch.
    """
    symmetry.check(a)
    symmetry.check(b)
    layers = _layers(symmetry)
    kept_a, kept_b = (
        _checked(layers, strongest_half(symmetry, end) if kept is None else kept)
        for end, kept in ((a, kept_a), (b, kept_b))
    )
    there = _thinned(layers, symmetry.coordinates(a), kept_a, factor)
    back = _thinned(layers, symmetry.coordinates(b), kept_b, factor)
    back += _moved_apart(layers, back[-1], kept_a, kept_b)
    points = [*there, *_crossed(layers, there[-1], back[-1], kept_a), *back[::-1]]
    return Segments(symmetry, points, a)


def _layers(symmetry: Symmetry) -> dict[str, Units]:
    """All hidden spaces in the order in which they read one another."""
    units = {name: Units(symmetry, name) for name in symmetry.essential.spaces}
    before: dict[str, set[str]] = {name: set() for name in units}
    for parameter, rep in symmetry.essential.reps.items():
        writes = [name for name, one in units.items() if one.writes(parameter)]
        reads = [name for name, one in units.items() if one.reads(parameter)]
        if not writes and not reads and len(rep.shape) > 1:
            raise BadInput(
                f"{parameter} belongs to no hidden space, and there is more between its ends than "
                "layers of units",
                "use a network whose weights all write or read units that can be swapped",
            )
        for name in writes:
            before[name].update(reads)
    try:
        order = tuple(TopologicalSorter(before).static_order())
    except CycleError as error:
        raise BadInput(
            f"the spaces {', '.join(dict.fromkeys(error.args[1]))} read one another in a circle",
            "use a network without recurrence and without a residual stream",
        ) from error
    return {name: units[name] for name in order}


def _checked(layers: Mapping[str, Units], kept: Kept) -> dict[str, list[int]]:
    if set(kept) != set(layers):
        raise BadInput(
            f"units are kept of {', '.join(kept) or 'no space'}, expected {', '.join(layers)}",
            "say for every hidden space which units stay",
        )
    for name, units in layers.items():
        units.check(*kept[name])
        if not 0 < 2 * len(kept[name]) <= units.size:
            raise BadInput(
                f"{len(kept[name])} of {units.size} units of {name} are kept",
                "keep at least one and at most half",
            )
    return {name: list(kept[name]) for name in layers}


def _thinned(
    layers: Mapping[str, Units], x: Point, kept: Mapping[str, list[int]], factor: float
) -> list[Point]:
    """Corners from x to the point at which only the kept units have columns, in every layer.

    When a layer is thinned, those behind it are already: their free units become a copy of the
    kept ones that reads the thin layer. The outputs go over to the copy, the kept units read the
    thin layer too, and the outputs come back.
    """
    names = list(layers)
    free = {n: [u for u in range(layers[n].size) if u not in kept[n]] for n in names}
    free = {n: units[: len(kept[n])] for n, units in free.items()}
    points: list[Point] = [x]
    for depth in reversed(range(len(names))):
        name, behind = names[depth], names[depth + 1 :]
        copies = dict(points[-1])
        for other in behind:
            copies = layers[other].copied(copies, kept[other], free[other])
        crossed = copies
        for other in behind:
            crossed = layers[other].shifted(crossed, kept[other], free[other])
        crossed = layers[name].thinned(crossed, kept[name], factor)
        thin = layers[name].thinned(copies, kept[name], factor)
        old_rows = _rows(layers, copies, {n: kept[n] for n in behind})
        new_rows = _rows(layers, copies, {n: free[n] for n in behind})
        inner = {n: _any(layers, n) for n in copies}
        # Rows of the copy read the copy and the thin layer; the outputs still read the kept units.
        begun = {
            n: torch.where(new_rows[n], crossed[n], t) if inner[n] else t for n, t in copies.items()
        }
        over = {n: t if inner[n] else crossed[n] for n, t in begun.items()}
        ready = {
            n: torch.where(old_rows[n], thin[n], t) if inner[n] else t for n, t in over.items()
        }
        done = {n: t if inner[n] else thin[n] for n, t in ready.items()}
        points += [begun, over, ready, done] if behind else [done]
    return points


def _rows(
    layers: Mapping[str, Units], x: Point, units: Mapping[str, Sequence[int]]
) -> dict[str, Tensor]:
    """By parameter, True where an entry is in a row of one of these units."""
    found = {name: torch.zeros_like(tensor, dtype=torch.bool) for name, tensor in x.items()}
    for space, chosen in units.items():
        for name, mask in layers[space].rows_of(x, chosen).items():
            found[name] |= mask
    return found


def _any(layers: Mapping[str, Units], parameter: str) -> bool:
    """Whether a parameter has rows of units: those that have none make the outputs."""
    return any(units.writes(parameter) for units in layers.values())


def _moved_apart(
    layers: Mapping[str, Units],
    x: Point,
    taken: Mapping[str, list[int]],
    kept: Mapping[str, list[int]],
) -> list[Point]:
    """Corners on which every kept unit that is taken by the other end moves to a free place."""
    points: list[Point] = []
    for name, units in layers.items():
        clash = [unit for unit in kept[name] if unit in taken[name]]
        used = {*taken[name], *kept[name]}
        room = [unit for unit in range(units.size) if unit not in used][: len(clash)]
        if clash:
            x = units.copied(x, clash, room)
            points.append(x)
            x = units.shifted(x, clash, room)
            points.append(x)
    return points


def _crossed(
    layers: Mapping[str, Units], a: Point, b: Point, kept: Mapping[str, list[int]]
) -> list[Point]:
    """Corners between: the rows of b beside those of a, then the outputs of b."""
    mine = _rows(layers, a, kept)
    beside = {n: torch.where(mine[n], t, b[n]) if _any(layers, n) else t for n, t in a.items()}
    over = {n: t if _any(layers, n) else b[n] for n, t in beside.items()}
    return [beside, over]
