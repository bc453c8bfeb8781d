"""Two minima of a linear network: joined as they are, or after permutations, flips, or wider."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from isthmus.ground import Certificate, Params, Result, Verdict
from isthmus.landscape.paths import AbstractPath
from isthmus.topology.linear.minimum import LinearMinimum
from isthmus.topology.linear.paths import minimum_path
from isthmus.topology.linear.permutations import permuted, signed_match

FLAT = 1e-20
"""How far above the least one, relative to ``‖Y‖²``, a loss in double precision may be."""

POINTS = 33
"""At so many t the loss of a path is computed."""


@final
@dataclass(frozen=True)
class Route(Result):
    """A path of least loss, and what was done to its ends so that there is one.

    Attributes:
        how: "as they are", "units permuted", "signs flipped" or "units added".
        moved: What was done, by layer: to the second minimum, or to both where units are added.
        distance: From the first minimum to the end of the path, in Frobenius norm.
        certificates: The loss on the path; where units are permuted, that none leads nearer.
        path: From the first minimum (with units added where there are any) to the second.
    """

    how: str
    moved: Mapping[str, str]
    distance: float
    certificates: tuple[Certificate, ...]
    path: AbstractPath = field(metadata={"json": False})

    def __str__(self) -> str:
        done = "; ".join(f"{layer}: {text}" for layer, text in self.moved.items())
        rows = [f"{self.how}: {done}" if done else self.how, *map(str, self.certificates)]
        return "\n  ".join(rows)


@final
@dataclass(frozen=True)
class LinearConnection(Result):
    """Whether two minima of a linear network are in one component, and the ways between them.

    Attributes:
        same: Whether they are.
        labels: Of both: signs of determinants, by hidden layer as wide as the rank.
        routes: As they are where ``same``; else what leads to a point in the component of the
            first, in order: units permuted (or, where there is but one, its sign flipped), and
            units added.
    """

    same: bool
    labels: tuple[tuple[int, ...], tuple[int, ...]]
    routes: tuple[Route, ...]

    @property
    def path(self) -> AbstractPath | None:
        """From the one to the other as they are, or None."""
        return self.routes[0].path if self.same else None

    def __str__(self) -> str:
        said = [" ".join("-+"[sign > 0] for sign in label) or "none" for label in self.labels]
        head = "the same component" if self.same else "two components"
        rows = [f"{head} (signs of determinants: {said[0]} and {said[1]})", *map(str, self.routes)]
        return "\n".join(rows)


def connect_linear_minima(
    a: Mapping[str, Tensor],
    b: Mapping[str, Tensor],
    minimum: LinearMinimum,
    tolerance: float = FLAT,
) -> LinearConnection:
    """How two minima of a linear network are joined by paths along which the loss is the least.

    Args:
        a: Params in float64, at the minimum.
        b: Likewise.
        minimum: The network and its data.
        tolerance: How far above the least one the losses may be, relative to ``‖Y‖²``.

    Raises:
        BadInput: One of them is no minimum, or the minimum has no labels (`LinearMinimum.fibre`).
        UnknownName: They are of another network; so ShapeMismatch and DtypeMismatch.
    """
    for params in (a, b):
        minimum.exact(params)
    labels = minimum.label(a, tolerance), minimum.label(b, tolerance)
    if labels[0] == labels[1]:
        return LinearConnection(True, labels, (_route("as they are", {}, minimum, a, b),))
    odd = _odd(minimum, labels)
    near = _permuted(a, b, minimum, odd) if minimum.rank > 1 else _flipped(a, b, minimum, odd)
    return LinearConnection(False, labels, (near, _widened(a, b, minimum, odd)))


def _odd(minimum: LinearMinimum, labels: tuple[tuple[int, ...], ...]) -> dict[str, int]:
    """By layer as wide as the rank, whether the labels agree (+1) or not (-1)."""
    layers = [n for n, w in zip(minimum.layers, minimum.hidden, strict=False) if w == minimum.rank]
    return {n: x * y for n, x, y in zip(layers, *labels, strict=True)}


def _permuted(
    a: Mapping[str, Tensor], b: Mapping[str, Tensor], minimum: LinearMinimum, odd: Mapping[str, int]
) -> Route:
    """Proposition 5.2, in the convention that stays on the minimum: only parities are asked for."""
    names = list(minimum.layers)
    signs = [odd.get(name) for name in names[:-1]]
    match = signed_match(minimum.weights(a), minimum.weights(b), signs)
    moved = permuted(minimum.weights(b), match.permutations)
    said = {}
    for name, p in zip(names, match.permutations, strict=False):
        count = int((p != torch.arange(len(p))).sum())
        if count:
            said[name] = f"moves {count} of {len(p)} units"
    claim = "no permutations that join them lead nearer"
    best = Certificate(claim, Verdict.PROVED if match.proved else Verdict.UNKNOWN)
    end = dict(zip(names, moved, strict=True))
    return _route("units permuted", said, minimum, a, end, (best,))


def _flipped(
    a: Mapping[str, Tensor], b: Mapping[str, Tensor], minimum: LinearMinimum, odd: Mapping[str, int]
) -> Route:
    """The only unit of a layer that is one wide cannot be permuted, but has a sign."""
    moved, names = minimum.weights(b), list(minimum.layers)
    for layer, name in enumerate(names):
        if odd.get(name, 1) < 0:
            moved[layer], moved[layer + 1] = -moved[layer], -moved[layer + 1]
    said = {name: "flips the sign of its unit" for name, sign in odd.items() if sign < 0}
    end = dict(zip(names, moved, strict=True))
    return _route("signs flipped", said, minimum, a, end)


def _widened(
    a: Mapping[str, Tensor], b: Mapping[str, Tensor], minimum: LinearMinimum, odd: Mapping[str, int]
) -> Route:
    """One unit that does nothing, in each layer where the labels differ: there all is connected."""
    names = list(minimum.layers)
    added = [int(odd.get(name, 1) < 0) for name in names]
    wide: dict[str, tuple[int, int]] = {}
    ends: list[Params] = [{}, {}]
    for layer, (name, (out, into)) in enumerate(minimum.layers.items()):
        more = (added[layer], added[layer - 1] if layer else 0)
        wide[name] = (out + more[0], into + more[1])
        for end, params in zip(ends, (a, b), strict=True):
            end[name] = torch.nn.functional.pad(params[name], (0, more[1], 0, more[0]))
    # The same product: where a layer was too narrow for the targets, more units could do better.
    wider = LinearMinimum(wide, minimum.inputs, minimum.fibre.product.mT)
    said = {name: "one unit more" for name, more in zip(names, added, strict=True) if more}
    return _route("units added", said, wider, ends[0], ends[1])


def _route(
    how: str,
    moved: Mapping[str, str],
    minimum: LinearMinimum,
    a: Mapping[str, Tensor],
    b: Mapping[str, Tensor],
    certificates: tuple[Certificate, ...] = (),
) -> Route:
    path = minimum_path(minimum, a, b)
    worst = max(minimum.excess(path(k / (POINTS - 1))) for k in range(POINTS))
    flat = Certificate(
        f"the loss on the path is within {FLAT:g} ‖Y‖² of the least",
        Verdict.TESTED if worst <= FLAT else Verdict.REFUTED,
        FLAT - worst,
        {"largest": worst, "points": POINTS},
    )
    away = math.sqrt(sum(float((a[n] - b[n]).square().sum()) for n in a))
    return Route(how, moved, away, (flat, *certificates), path)
