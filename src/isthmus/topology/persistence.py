"""Persistence: births and deaths of components, loops and voids as the level rises."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from isthmus.ground import BadInput, MissingExtra
from isthmus.topology.merging_tree import merge_tree

Pairs = list[tuple[float, float]]
"""(birth, death) of each class; the death of what stays is infinity."""


def persistence(
    births: Sequence[float], edges: Iterable[tuple[int, int, float]], dimension: int = 0
) -> dict[int, Pairs]:
    """The persistence pairs of a graph's flag complex, by dimension up to ``dimension``.

    A vertex is there from its birth on, an edge from its level, and a simplex as soon as all its
    edges are: of minima and the heights between them, the complex of sets of minima whose pairs are
    all joined. In dimension 0 by union-find, with a pair for every vertex; in higher ones by gudhi,
    without pairs that die as they are born.

    Args:
        births: The level of every vertex.
        edges: (i, j, level), as of `isthmus.topology.merge_tree`.
        dimension: The highest.

    Raises:
        BadInput: ``dimension`` is negative, or as `merge_tree`.
        MissingExtra: ``dimension`` is above 0, and gudhi is not installed.
    """
    if dimension < 0:
        raise BadInput(f"dimension is {dimension}, expected at least 0", "0 counts components")
    held = list(edges)
    found = {0: merge_tree(births, held).pairs()}
    if dimension:
        found |= _higher(births, held, dimension)
    return found


def _higher(
    births: Sequence[float], edges: Iterable[tuple[int, int, float]], dimension: int
) -> dict[int, Pairs]:
    try:
        import gudhi
    except ImportError:
        raise MissingExtra(
            f"persistence in dimension {dimension} needs gudhi",
            "install it with `pip install isthmus[topology]`, or ask for dimension 0",
        ) from None
    tree = gudhi.SimplexTree()
    for vertex, birth in enumerate(births):
        tree.insert([vertex], birth)
    for i, j, level in edges:
        if i != j and level < math.inf:
            tree.insert([i, j], max(level, births[i], births[j]))
    tree.expansion(dimension + 1)
    tree.compute_persistence(persistence_dim_max=True)
    return {
        k: sorted((float(b), float(d)) for b, d in tree.persistence_intervals_in_dimension(k))
        for k in range(1, dimension + 1)
    }
