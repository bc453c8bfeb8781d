"""Clusters: which minima are joined at a level, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import final

from isthmus.ground import Result
from isthmus.topology.census.crossing import Crossing, Meeting
from isthmus.topology.census.unseen import Unseen, unseen
from isthmus.topology.disjoint_sets import DisjointSets


@final
@dataclass(frozen=True)
class Clusters(Result):
    """The minima by component at a level, as far as the connectors found paths.

    Joined means that no loss on some path was seen above the level; apart means that no connector
    found such a path, which proves nothing.

    Attributes:
        level: The level.
        members: The minima of every component, in the order of the first.
        uncertain: Pairs whose highest loss may be on either side of the level, given that the data
            are a sample, and on which something depends.
        fewest: How many components there are if all these are joined.
        most: How many if none is.
        unseen: How many components the sample may have missed.
    """

    level: float
    members: tuple[tuple[int, ...], ...]
    uncertain: tuple[tuple[int, int], ...]
    fewest: int
    most: int
    unseen: Unseen

    @property
    def count(self) -> int:
        """The number of components."""
        return len(self.members)

    def __str__(self) -> str:
        sure = self.fewest == self.most
        return f"{self.count}" + ("" if sure else f" ({self.fewest} to {self.most})")


def clusters(
    count: int, meetings: Iterable[Meeting], level: float, up_to_symmetry: bool
) -> Clusters:
    """The clusters of ``count`` minima, by union-find over what their meetings found."""
    tried = [
        (meeting, [one for one in meeting.crossings if up_to_symmetry or not one.jumps])
        for meeting in meetings
    ]

    def joined(low: Callable[[Crossing], float]) -> DisjointSets:
        sets = DisjointSets(count)
        for meeting, crossings in tried:
            if any(low(crossing) <= level for crossing in crossings):
                sets.unite(meeting.a, meeting.b)
        return sets

    likely = joined(lambda crossing: crossing.height).sets()
    sure = joined(lambda crossing: crossing.high)
    uncertain = [
        (meeting.a, meeting.b)
        for meeting, crossings in tried
        if any(crossing.low <= level for crossing in crossings)
        and sure.root(meeting.a) != sure.root(meeting.b)
    ]
    return Clusters(
        level=level,
        members=tuple(likely),
        uncertain=tuple(uncertain),
        fewest=len(joined(lambda crossing: crossing.low).sets()),
        most=len(sure.sets()),
        unseen=unseen([len(members) for members in likely]),
    )
