"""What brings a minimum of a linear network into the component of another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from isthmus.ground import Certificate, Params, Verdict
from isthmus.topology.linear.permutations import rearranged
from isthmus.topology.minima import Way

if TYPE_CHECKING:
    from isthmus.topology.linear.minimum import LinearMinimum


def linear_ways(
    minimum: LinearMinimum, a: Mapping[str, Tensor], b: Mapping[str, Tensor]
) -> Iterator[Way]:
    """Units of b permuted (where a layer has but one, its sign flipped); units added to both."""
    layers = [n for n, w in zip(minimum.layers, minimum.hidden, strict=False) if w == minimum.rank]
    labels = [minimum.fibre.label(minimum.weights(params)) for params in (a, b)]
    signs = {name: one * other for name, one, other in zip(layers, *labels, strict=True)}
    yield _permuted(minimum, a, b, signs)
    yield _widened(minimum, a, b, signs)


def _permuted(
    minimum: LinearMinimum,
    a: Mapping[str, Tensor],
    b: Mapping[str, Tensor],
    signs: Mapping[str, int],
) -> Way:
    """Zhao et al. 2025, Proposition 5.2: any permutations will do whose signs are those asked for.

    A permutation of layer i multiplies the determinant of its frame by its sign, and no other.
    """
    wanted = [signs.get(name) for name in list(minimum.layers)[:-1]]
    found = rearranged(minimum.weights(a), minimum.weights(b), wanted)
    said = {n: text for n, text in zip(minimum.layers, found.done, strict=False) if text}
    end = minimum.named(found.weights)
    how = "units permuted" if minimum.rank > 1 else "signs flipped"
    return Way(how, said, minimum, a, end, (nearest(found.proved),))


def nearest(proved: bool) -> Certificate:
    """That of all permutations with the same effect these lead nearest."""
    verdict = Verdict.PROVED if proved else Verdict.UNKNOWN
    return Certificate("no permutations that join them lead nearer", verdict)


def _widened(
    minimum: LinearMinimum,
    a: Mapping[str, Tensor],
    b: Mapping[str, Tensor],
    signs: Mapping[str, int],
) -> Way:
    """One unit that does nothing, in each layer where the labels differ: there all is connected."""
    added = [int(signs.get(name, 1) < 0) for name in minimum.layers]
    wide: dict[str, tuple[int, int]] = {}
    ends: tuple[Params, Params] = ({}, {})
    for (name, (out, into)), rows, columns in zip(
        minimum.layers.items(), added, [0, *added[:-1]], strict=True
    ):
        wide[name] = (out + rows, into + columns)
        for end, params in zip(ends, (a, b), strict=True):
            end[name] = torch.nn.functional.pad(params[name], (0, columns, 0, rows))
    # The same product: where a layer is too narrow for the targets, one more unit could do better.
    wider = replace(minimum, layers=wide, targets=minimum.fibre.product.mT)
    said = {name: "one unit more" for name, sign in signs.items() if sign < 0}
    return Way("units added", said, wider, *ends)
