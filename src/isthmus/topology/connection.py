"""Two minima: joined as they are, or after what can be done to them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

from torch import Tensor

from isthmus.ground import Certificate, Result, Verdict
from isthmus.landscape.paths import AbstractPath
from isthmus.topology.minima import AbstractMinimum, Label, Way

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
        distance: From the start of the path to its end, in Frobenius norm.
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
class MinimaConnection(Result):
    """Whether two minima are in one component, and the ways between them.

    Attributes:
        same: Whether they are.
        labels: Of both.
        routes: As they are where ``same``; else each of the ways that lead to the component of the
            first, if any: units permuted (or, where there is but one, its sign flipped), and in a
            linear network units added.
    """

    same: bool
    labels: tuple[Label, Label]
    routes: tuple[Route, ...]

    @property
    def path(self) -> AbstractPath | None:
        """From the one to the other as they are, or None."""
        return self.routes[0].path if self.same else None

    def __str__(self) -> str:
        head = "the same component" if self.same else "two components"
        said = " and ".join(map(_signs, self.labels))
        return "\n".join([f"{head} (signs of determinants: {said})", *map(str, self.routes)])


def _signs(label: Label) -> str:
    """As "+ - | +"."""
    parts = (" ".join("+" if sign > 0 else "-" for sign in part) for part in label)
    return " | ".join(parts).strip() or "none"


def connect_minima(
    a: Mapping[str, Tensor],
    b: Mapping[str, Tensor],
    minimum: AbstractMinimum,
    tolerance: float = FLAT,
) -> MinimaConnection:
    """How two minima are joined by paths along which the loss is the least.

    Args:
        a: Params in float64, at the minimum.
        b: Likewise.
        minimum: A `LinearMinimum` or a `ResidualMinimum`.
        tolerance: How far above the least one the losses may be, relative to ``‖Y‖²``.

    Raises:
        BadInput: One of them is no minimum, or the minimum has no labels.
        UnknownName: They are of another network; so ShapeMismatch.
        DtypeMismatch: They are not in double precision.
    """
    for params in (a, b):
        minimum.require_double(params)
    labels = minimum.label(a, tolerance), minimum.label(b, tolerance)
    same = labels[0] == labels[1]
    ways = [Way("as they are", {}, minimum, a, b)] if same else minimum.ways(a, b)
    return MinimaConnection(same, labels, tuple(_route(way, tolerance) for way in ways))


def _route(way: Way, tolerance: float) -> Route:
    path = way.minimum.path(way.a, way.b)
    worst = max(way.minimum.excess(path(k / (POINTS - 1))) for k in range(POINTS))
    flat = Certificate(
        f"the loss on the path is within {tolerance:g} ‖Y‖² of the least",
        Verdict.TESTED if worst <= tolerance else Verdict.REFUTED,
        tolerance - worst,
        {"largest": worst, "points": POINTS},
    )
    away = math.sqrt(sum(float((way.a[n] - way.b[n]).square().sum()) for n in way.a))
    return Route(way.how, way.moved, away, (flat, *way.certificates), path)
