"""Which pairs to try next: the most promising, and none whose answer is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from isthmus.topology.disjoint_sets import DisjointSets


class Promise:
    """Rounds of pairs, the nearest first, as many from each component as the last rounds earned.

    A round takes from every component its nearest untried pairs to others: one, and twice as many
    after every round that joined nothing, for then all will have to be tried. What a round takes
    depends on what was joined before and on nothing else, so any number of processes does the same.

    Args:
        distances: (distance, a, b) of all pairs.
        count: How many minima there are.
        all_pairs: Whether all pairs are wanted, joined or not: then there is one round.
    """

    def __init__(
        self, distances: Sequence[tuple[float, int, int]], count: int, all_pairs: bool
    ) -> None:
        self._left = [(a, b) for _, a, b in sorted(distances)]
        self._joined = DisjointSets(count)
        self._width, self._progress, self._all = 1, True, all_pairs

    def join(self, a: int, b: int) -> None:
        """Say that the two are joined, for sure."""
        if self._joined.root(a) != self._joined.root(b):
            self._joined.unite(a, b)
            self._progress = True

    def next(self) -> list[tuple[int, int]]:
        """The next round; none when all is known."""
        if self._all:
            taken, self._left = self._left, []
            return taken
        self._width = 1 if self._progress else 2 * self._width
        self._progress = False
        used: Counter[int] = Counter()
        taken, left = [], []
        for a, b in self._left:
            first, second = self._joined.root(a), self._joined.root(b)
            if first == second:
                continue
            if min(used[first], used[second]) < self._width:
                used.update((first, second))
                taken.append((a, b))
            else:
                left.append((a, b))
        self._left = left
        return taken
