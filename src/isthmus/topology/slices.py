"""Sublevel sets of a two-parameter slice: their components and loops as the level rises."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import final

import numpy as np
from numpy.typing import NDArray

from isthmus.ground import NotFinite, Result
from isthmus.landscape.maps import Surface
from isthmus.topology.flooding import Grid, flood
from isthmus.topology.merging_tree import MergeTree

Place = tuple[float, float]


@final
@dataclass(frozen=True)
class Loop(Result):
    """A hole of the sublevel set: it closes at ``birth`` and is filled at ``death``.

    Attributes:
        birth: The level at which the sublevel set closes around it.
        death: The level at which its highest place is reached; infinity where the loss is not
            finite there.
        saddle: Where it closes.
        peak: Its highest place.
    """

    birth: float
    death: float
    saddle: Place
    peak: Place


@final
@dataclass(frozen=True, eq=False)
class Sublevels(Result):
    """The sets {loss <= level} of a slice, for every level.

    They are those of the grid: places are joined through neighbours at or below the level, and
    between places the loss is not looked at. Components of a slice are not those of the landscape:
    what is apart here may be joined outside the plane, and a loop here filled.

    Attributes:
        surface: The losses; places whose loss is not finite belong to no sublevel set.
        diagonal: Whether a place has 8 neighbours or 4.
        tree: The components. Leaf i is born at the i-th lowest minimum.
        minima: Where the leaves are born.
        saddles: Where the components meet, one for each merge of the tree.
        loops: The holes, in order of birth.
        basins: The leaf through which each place enters, int of shape (len(y), len(x)); -1 where
            the loss is not finite.
    """

    surface: Surface
    diagonal: bool
    tree: MergeTree
    minima: tuple[Place, ...]
    saddles: tuple[Place, ...]
    loops: tuple[Loop, ...]
    basins: NDArray[np.int64] = field(repr=False)

    def labels(self, level: float) -> NDArray[np.int64]:
        """The component of every place, as its eldest leaf; -1 above the level or not finite.

        Returns:
            Of shape (len(y), len(x)), like the losses.
        """
        eldest = np.full(len(self.tree.births) + 1, -1)  # the last entry stands for -1
        for members in self.tree.components(level):
            eldest[list(members)] = members[0]
        return np.where(losses_of(self.surface) <= level, eldest[self.basins], -1)

    def counts(self, level: float) -> tuple[int, int]:
        """How many components and how many loops there are at a level: Betti numbers 0 and 1."""
        holes = sum(loop.birth <= level < loop.death for loop in self.loops)
        return len(self.tree.components(level)), holes

    def levels(self) -> list[float]:
        """The levels at which a component or a loop appears or vanishes, in order."""
        ends = [end for pair in self.tree.pairs() for end in pair]
        ends += [end for loop in self.loops for end in (loop.birth, loop.death)]
        return sorted({end for end in ends if math.isfinite(end)})

    def at_edge(self, leaf: int) -> bool:
        """Whether a leaf is born at the edge of the map, where the slice may go on downwards."""
        x, y = self.minima[leaf]
        return x in (self.surface.x[0], self.surface.x[-1]) or y in (
            self.surface.y[0],
            self.surface.y[-1],
        )

    def pass_level(self, start: Place, end: Place) -> float:
        """The level at which the places nearest to two points become one; infinity if never.

        It belongs to a path from place to place in the plane, of which the loss in between is not
        known; outside the plane there may be a lower one.
        """
        here, there = (self._nearest(point) for point in (start, end))
        losses = losses_of(self.surface)
        a, b = int(self.basins[here]), int(self.basins[there])
        if min(a, b) < 0:
            return math.inf
        return float(max(self.tree.height(a, b), losses[here], losses[there]))

    def _nearest(self, point: Place) -> tuple[int, int]:
        x, y = np.array(self.surface.x), np.array(self.surface.y)
        return int(np.abs(y - point[1]).argmin()), int(np.abs(x - point[0]).argmin())

    def __str__(self) -> str:
        finite = [pair for pair in self.tree.pairs() if pair[1] < math.inf]
        edge = sum(map(self.at_edge, range(len(self.tree.births))))
        deepest = max((death - birth for birth, death in finite), default=0.0)
        return (
            f"sublevel sets of a slice, {len(self.surface.x)} x {len(self.surface.y)} places with "
            f"{8 if self.diagonal else 4} neighbours each\n"
            f"minima on the grid: {len(self.tree.births)}, of which {edge} at the edge of the map; "
            f"the lowest {self.tree.births[0]:.4g}, the most persistent of the others lasting "
            f"{deepest:.4g}; loops: {len(self.loops)}\n"
            "components of a slice are not those of the landscape: what is apart here may be "
            "joined outside the plane"
        )


def losses_of(surface: Surface) -> Grid:
    """The losses, float64 of shape (len(y), len(x)); what is not finite is +inf."""
    losses = np.array(surface.losses, dtype=np.float64)
    return np.where(np.isfinite(losses), losses, np.inf)


def sublevels(surface: Surface, diagonal: bool = False) -> Sublevels:
    """Components and loops of the sublevel sets of a slice, at all levels at once.

    Components by union-find over the places in order of loss, with the elder rule. Loops by
    duality (Alexander): a loop of {loss <= level} goes around a component of {loss > level} that
    does not reach the edge of the map, where places have 8 neighbours if those of the sublevel
    set have 4, and the other way round. They are those of the cubical complex whose vertices
    (4 neighbours) or squares (8) are the places.

    Args:
        surface: The loss on a plane.
        diagonal: Whether a place has 8 neighbours, those at its corners too, or 4.

    Raises:
        NotFinite: No loss is finite.
    """
    losses = losses_of(surface)
    if not np.isfinite(losses).any():
        raise NotFinite(
            "no loss of the slice is finite", "take a slice nearer to a model that has a loss"
        )
    found = flood(losses, diagonal)
    places = [(x, y) for y in surface.y for x in surface.x]
    flat = [float(loss) for loss in losses.ravel()]
    merges = tuple((elder, younger, flat[at]) for elder, younger, at in found.merges)
    return Sublevels(
        surface,
        diagonal,
        MergeTree(tuple(flat[seed] for seed in found.seeds), merges),
        tuple(places[seed] for seed in found.seeds),
        tuple(places[at] for _, _, at in found.merges),
        _loops(surface, losses, not diagonal),
        found.basins,
    )


def _loops(surface: Surface, losses: Grid, diagonal: bool) -> tuple[Loop, ...]:
    """The holes: what is above the level and does not reach the ring around the map."""
    high = np.pad(losses, 1, constant_values=np.inf)
    found = flood(-high, diagonal)
    flat, step = high.ravel(), high.shape[1]

    def at(place: int) -> Place:
        return surface.x[place % step - 1], surface.y[place // step - 1]

    loops = [
        Loop(float(flat[saddle]), float(flat[peak]), at(saddle), at(peak))
        for _, younger, saddle in found.merges
        for peak in [found.seeds[younger]]
    ]
    return tuple(sorted(loops, key=lambda loop: (loop.birth, loop.death, loop.peak)))
