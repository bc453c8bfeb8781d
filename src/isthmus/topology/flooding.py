"""Flooding a grid: its places enter from low to high, and basins become one at saddles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isthmus.topology.disjoint_sets import DisjointSets

Grid = NDArray[np.float64]


@dataclass(frozen=True)
class Flood:
    """How the set {value <= level} of a grid grows with the level.

    Places are numbered row by row. Basins that vanish at the level at which they appear, as the
    parts of a plateau do, are not basins.

    Attributes:
        seeds: The lowest place of every basin, the first of equals, in order of value.
        merges: (elder, younger, saddle) in order of value: the basins that become one, the one
            with the lower seed first, and the place that joins them.
        basins: The basin through which each place enters, int of the shape of the grid; -1 where
            the value is infinite.
    """

    seeds: tuple[int, ...]
    merges: tuple[tuple[int, int, int], ...]
    basins: NDArray[np.int64]


def flood(values: Grid, diagonal: bool = False) -> Flood:
    """The basins of a grid and where they meet, by union-find.

    Args:
        values: Two-dimensional; +inf is never entered, -inf from the start.
        diagonal: Whether a place has 8 neighbours, those at its corners too, or 4.
    """
    sea = np.pad(values, 1, constant_values=np.inf)
    flat, step = sea.ravel(), sea.shape[1]
    near = [-step, -1, 1, step] + [-step - 1, -step + 1, step - 1, step + 1] * diagonal
    order = [int(place) for place in np.argsort(flat, kind="stable") if flat[place] < np.inf]
    rank = {place: k for k, place in enumerate(order)}
    sets, entered, joins = DisjointSets(flat.size), np.zeros(flat.size, dtype=bool), []
    for place in order:
        roots = {sets.root(place + by) for by in near if entered[place + by]}
        elder, *others = sorted({place, *roots}, key=rank.__getitem__)
        for other in others:  # the place itself is the youngest, and joins at its own level
            sets.join(elder, other)
            joins.append((elder, other, place))
        entered[place] = True
    return _without_plateaus(order, joins, sea)


def _without_plateaus(order: list[int], joins: list[tuple[int, int, int]], sea: Grid) -> Flood:
    """The flood, what is born and dies at one level, as most places do, given to the elder."""
    flat, step = sea.ravel(), int(sea.shape[1])
    absorbed = {young: elder for elder, young, at in joins if flat[young] == flat[at]}
    seeds = [place for place in order if place not in absorbed]
    basin = {place: k for k, place in enumerate(seeds)}
    for place in order:  # elders come first, so that theirs are known
        basin[place] = basin[absorbed.get(place, place)]
    basins = np.full(flat.size, -1)
    basins[order] = [basin[place] for place in order]

    def inside(place: int) -> int:
        """The number of a place without the ring around the grid."""
        return (place // step - 1) * (step - 2) + place % step - 1

    merges = [(basin[a], basin[b], inside(at)) for a, b, at in joins if b not in absorbed]
    inner = basins.reshape(sea.shape)[1:-1, 1:-1]
    return Flood(tuple(map(inside, seeds)), tuple(merges), inner)
