"""Bags of embeddings: rows of a table chosen by integers, and reduced bag by bag."""

from __future__ import annotations

from isthmus.discovery.rules.table import Call, rule
from isthmus.discovery.tensor import Tensor

MAXIMUM = 2
"""The mode of ``embedding_bag`` that takes the largest; 0 sums and 1 averages."""


@rule("embedding_bag", "_embedding_bag", "_embedding_bag_forward_only")
def bag(call: Call) -> list[Tensor]:
    """Sums and means are linear in the features; maxima keep permutations and positive scales."""
    typing, weight = call.typing, call.tensor("weight")
    typing.pin(weight.axes[0])
    for name in ("indices", "offsets", "per_sample_weights"):
        given = call.optional(name)
        for axis in given.axes if given is not None else ():
            typing.pin(axis)
    features = weight.axes[1]
    if call.get("mode", 0) == MAXIMUM:
        typing.restrict(features)
        typing.unflipped(features)
    return [call.make([typing.constant(call.sizes[0]), features])]
