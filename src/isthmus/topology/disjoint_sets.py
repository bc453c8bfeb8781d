"""Disjoint sets: which things have become one, by union-find."""

from __future__ import annotations


class DisjointSets:
    """The sets into which 0, ..., ``count`` - 1 fall when pairs are joined one after another.

    Tarjan's forest with halved paths; the caller says which of two roots stays one.
    """

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def root(self, one: int) -> int:
        """The representative of the set of ``one``."""
        parent = self._parent
        while parent[one] != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        return one

    def join(self, root: int, other: int) -> None:
        """Make ``root`` the representative of the set of ``other``; both are roots."""
        self._parent[other] = root

    def unite(self, one: int, other: int) -> None:
        """Join the sets of the two, if they are not one already."""
        first, second = self.root(one), self.root(other)
        if first != second:
            self.join(min(first, second), max(first, second))

    def sets(self) -> list[tuple[int, ...]]:
        """All sets, each in order, in the order of their first members."""
        found: dict[int, list[int]] = {}
        for one in range(len(self._parent)):
            found.setdefault(self.root(one), []).append(one)
        return [tuple(members) for members in found.values()]
