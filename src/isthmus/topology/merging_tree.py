"""MergeTree: how sublevel sets grow together as the level rises."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import final

from isthmus.ground import BadInput, Result
from isthmus.topology.disjoint_sets import DisjointSets


@final
@dataclass(frozen=True)
class MergeTree(Result):
    """Leaves that appear at their births and become one, two components at a time.

    A component is represented by its eldest leaf: that of the lowest birth, of equals the first.
    Where two meet, the elder survives (the elder rule of persistence).

    Attributes:
        births: The level at which leaf i appears.
        merges: (elder, younger, level) in order of level: the representatives of the two
            components that become one there.
    """

    births: tuple[float, ...]
    merges: tuple[tuple[int, int, float], ...]

    def components(self, level: float) -> list[tuple[int, ...]]:
        """The components at ``level``, each as its leaves, in the order of their first leaves."""
        sets = DisjointSets(len(self.births))
        for elder, younger, at in self.merges:
            if at <= level:
                sets.join(elder, younger)
        return [members for members in sets.sets() if self.births[members[0]] <= level]

    def above(self, level: float) -> MergeTree:
        """The tree whose leaves are the components at ``level``, in their order."""
        whole = self.components(level)
        place = {min(members, key=self._age): leaf for leaf, members in enumerate(whole)}
        late = [(place[a], place[b], at) for a, b, at in self.merges if a in place and b in place]
        births = sorted(place, key=place.__getitem__)
        return MergeTree(tuple(self.births[leaf] for leaf in births), tuple(late))

    def _age(self, leaf: int) -> tuple[float, int]:
        """The elder is the less."""
        return self.births[leaf], leaf

    def pairs(self) -> list[tuple[float, float]]:
        """(birth, death) of every leaf, in their order: persistence in dimension 0.

        A leaf dies where its component meets an elder one; a survivor's death is infinity.
        """
        deaths = {younger: level for _, younger, level in self.merges}
        return [(birth, deaths.get(leaf, math.inf)) for leaf, birth in enumerate(self.births)]

    def height(self, a: int, b: int) -> float:
        """The level at which ``a`` and ``b`` become one: an ultrametric; infinity if never."""
        if a == b:
            return self.births[a]
        sets = DisjointSets(len(self.births))
        for elder, younger, level in self.merges:
            sets.join(elder, younger)
            if sets.root(a) == sets.root(b):
                return level
        return math.inf

    def text(self, names: Sequence[str] | None = None) -> str:
        """The tree drawn with characters: levels where branches meet, leaves with their births."""
        branches = {
            leaf: [f"{leaf if names is None else names[leaf]} ({birth:.4g})"]
            for leaf, birth in enumerate(self.births)
        }
        for elder, younger, level in self.merges:
            first, second = branches[elder], branches.pop(younger)
            branches[elder] = [f"{level:.4g}", *_hung(first, "├─ ", "│  ")]
            branches[elder] += _hung(second, "└─ ", "   ")
        return "\n".join(line for lines in branches.values() for line in lines)

    def __str__(self) -> str:
        return self.text()


def _hung(lines: Sequence[str], first: str, rest: str) -> list[str]:
    return [(rest if number else first) + line for number, line in enumerate(lines)]


def merge_tree(births: Sequence[float], edges: Iterable[tuple[int, int, float]]) -> MergeTree:
    """The merge tree of a graph: Kruskal's minimum spanning tree, with the elder rule.

    Args:
        births: The level of every vertex; the vertices are the leaves.
        edges: (i, j, level): from where on i and j are joined. An edge counts from no lower than
            both its ends; one at infinity joins nothing.

    Raises:
        BadInput: A birth is not finite, a level is NaN, or a vertex does not exist.
    """
    held = tuple(map(float, births))
    if not all(map(math.isfinite, held)):
        raise BadInput(
            f"leaf {next(i for i, b in enumerate(held) if not math.isfinite(b))} is born at "
            "a level that is not finite",
            "leave out what has no level",
        )
    sets, merges = DisjointSets(len(held)), []
    for level, i, j in sorted(_level(held, *edge) for edge in edges):
        elder, younger = sorted((sets.root(i), sets.root(j)), key=lambda leaf: (held[leaf], leaf))
        if elder != younger and level < math.inf:
            sets.join(elder, younger)
            merges.append((elder, younger, level))
    return MergeTree(held, tuple(merges))


def _level(births: Sequence[float], i: int, j: int, level: float) -> tuple[float, int, int]:
    """(level, i, j) of an edge, whose level is at least that of both ends."""
    if not (0 <= i < len(births) and 0 <= j < len(births)):
        raise BadInput(
            f"an edge joins {i} and {j}, but there are {len(births)} leaves", "count from 0"
        )
    if math.isnan(level):
        raise BadInput(f"the edge between {i} and {j} has level NaN", "leave it out")
    return max(float(level), births[i], births[j]), i, j
