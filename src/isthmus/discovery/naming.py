"""Names of spaces: the module that writes them, and a word for each factor of a product."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import TypeAlias

from isthmus.discovery.nodes import Node, Occurrence

Place: TypeAlias = "tuple[str, int, Occurrence, bool]"
"""Where a leaf occurs: parameter, dimension, occurrence, whether dual."""


def names(
    places: Mapping[Node, Sequence[Place]], over: Mapping[Node, Sequence[Node]]
) -> dict[Node, str]:
    """A unique name for every leaf: that of the first module whose output it is."""
    taken: set[str] = set()
    out: dict[Node, str] = {}
    shared = _shared(places)
    for leaf in over:
        first = places[leaf][0]
        base = first[0].rpartition(".")[0] or first[0]
        if leaf.hint in ("head", "key", "value"):
            base = f"{base.rpartition('.')[0]}.{leaf.hint}".removeprefix(".")
        elif (first[0], first[1]) in shared:
            base = f"{base}.{leaf.hint or ('inner' if over[leaf] else 'outer')}"
        out[leaf] = unused(base, taken)
        taken.add(out[leaf])
    return out


def unused(base: str, taken: Collection[str]) -> str:
    """The name, numbered from two where it is taken (as "layers.2" may be a module's own)."""
    numbered = (base if k == 1 else f"{base}.{k}" for k in itertools.count(1))
    return next(name for name in numbered if name not in taken)


def _shared(places: Mapping[Node, Sequence[Place]]) -> set[tuple[str, int]]:
    """Axes of parameters in which more than one leaf occurs."""
    count: dict[tuple[str, int], set[int]] = {}
    for leaf, found in places.items():
        if leaf.motions:
            for name, d, _, _ in found:
                count.setdefault((name, d), set()).add(id(leaf))
    return {axis for axis, leaves in count.items() if len(leaves) > 1}
