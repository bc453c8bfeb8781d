"""Names of spaces: the module that writes them, and a word for each factor of a product."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from isthmus.discovery.nodes import Node, Occurrence

Place: TypeAlias = "tuple[str, int, Occurrence, bool]"
"""Where a leaf occurs: parameter, dimension, occurrence, whether dual."""


def names(
    places: Mapping[Node, Sequence[Place]], over: Mapping[Node, Sequence[Node]]
) -> dict[Node, str]:
    """A unique name for every leaf: that of the first module whose output it is."""
    taken: dict[str, int] = {}
    out: dict[Node, str] = {}
    shared = _shared(places)
    for leaf in over:
        first = places[leaf][0]
        base = first[0].rpartition(".")[0] or first[0]
        if leaf.hint in ("head", "key", "value"):
            base = f"{base.rpartition('.')[0]}.{leaf.hint}".removeprefix(".")
        elif (first[0], first[1]) in shared:
            base = f"{base}.{leaf.hint or ('inner' if over[leaf] else 'outer')}"
        taken[base] = taken.get(base, 0) + 1
        out[leaf] = base if taken[base] == 1 else f"{base}.{taken[base]}"
    return out


def _shared(places: Mapping[Node, Sequence[Place]]) -> set[tuple[str, int]]:
    """Axes of parameters in which more than one leaf occurs."""
    count: dict[tuple[str, int], set[int]] = {}
    for leaf, found in places.items():
        if leaf.motions:
            for name, d, _, _ in found:
                count.setdefault((name, d), set()).add(id(leaf))
    return {axis for axis, leaves in count.items() if len(leaves) > 1}
