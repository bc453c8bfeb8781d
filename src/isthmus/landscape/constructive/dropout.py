"""Paths between networks that lose little when half of their units are dropped.

Kuditipudi et al. (2019), mathematics.md 3B. The last layer is dropped in a straight line. Then the
units that nothing reads become a copy of the later layers that reads the layer before dropped and
rescaled, the heads go over to the copy, and so on to the first. What is left of the two networks
stands side by side, and the heads go from one to the other. A segment either changes nothing, or
moves the heads alone, in which the outputs are linear: a convex loss is nowhere above its corners.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

from torch import Tensor

from isthmus.algebra import Element, Symmetry
from isthmus.ground import BadInput, Certificate, NotFinite, Params, Result, Verdict
from isthmus.landscape.constructive.halves import BestHalf, Chooser, Kept
from isthmus.landscape.constructive.layers import Layers, layers
from isthmus.landscape.loss import Loss
from isthmus.landscape.orbit_paths import OrbitPath
from isthmus.landscape.paths import AbstractPath, require_alike
from isthmus.landscape.straight import Polygon

ROUNDING = 1e-5
"""Relative room for the rounding of a loss in single precision."""


@final
@dataclass(frozen=True)
class Segment(Result):
    """One straight part of a path.

    Attributes:
        what: What moves.
        flat: Whether that changes nothing; else the outputs go straight from end to end.
        losses: At its start, in its middle and at its end.
    """

    what: str
    flat: bool
    losses: tuple[float, float, float]

    def __str__(self) -> str:
        start, middle, end = self.losses
        return f"{self.what}: {start:.4g}, {middle:.4g}, {end:.4g}" + " (flat)" * self.flat


@final
@dataclass(frozen=True)
class DropoutStable(Result):
    """A path through two dropped networks, and what it costs.

    Attributes:
        path: From one network to the other.
        segments: Its parts in order.
        gaps: How much more loss than at its end the worst dropped network of each end has.
        bound: What no point of the path is above, for a loss that is convex in the outputs: the
            larger of the ends, each with its gap.
        highest: The largest loss found, at the ends and in the middle of every segment.
        certificate: That ``highest`` is not above ``bound``; tested.
    """

    path: AbstractPath = field(metadata={"json": False})
    segments: tuple[Segment, ...]
    gaps: tuple[float, float]
    bound: float
    highest: float
    certificate: Certificate

    def __str__(self) -> str:
        head = (
            f"dropout-stable path of {len(self.segments)} segments: loss at most {self.bound:.4g} "
            f"(gaps {self.gaps[0]:.4g} and {self.gaps[1]:.4g}), found {self.highest:.4g}"
        )
        return "\n  ".join([head, *map(str, self.segments)])


def dropout_stable_path(
    symmetry: Symmetry,
    a: Mapping[str, Tensor],
    b: Mapping[str, Tensor],
    loss: Loss,
    halves: Chooser | None = None,
) -> DropoutStable:
    """Join two networks through what is left of each when half of its units are dropped.

    Args:
        symmetry: Of the model: hidden layers that only feed later ones.
        a: Where the path starts.
        b: Where it ends.
        loss: Convex in the outputs for the bound to hold (cross-entropy, squared error).
        halves: Which units stay; None takes `BestHalf`.

    Raises:
        Disconnected: The model has a stream, a loop, or units that meet; says where.
        BadInput: More than half of a space's units are kept.
        NotFinite: The loss is not finite at a corner.
        UnknownName: ``a`` or ``b`` are not of the symmetry's model; so ShapeMismatch.
    """
    symmetry.check(a)
    symmetry.check(b)
    require_alike(a, b)
    network = layers(symmetry, a)
    here, there = symmetry.coordinates(a), symmetry.coordinates(b)
    free = {name: here[name] for name in symmetry.chart.canonical}
    choose = halves or BestHalf()

    def value(point: Params) -> float:
        return loss(symmetry.parameters({**point, **free}, a))

    descents = [_descent(network, start, choose(network, start, value)) for start in (here, there)]
    walk = _joined(network, *descents)
    points = [symmetry.parameters({**point, **free}, a) for point in walk.points]
    path = Polygon([a, *points[1:]])
    corners = len(descents[0].points), len(descents[1].points)
    whole = settled(symmetry, path, (here, there), b)
    return _measured(whole, path, walk.steps, loss, corners)


@final
@dataclass(frozen=True)
class _Walk:
    """Corners in coordinates, and what leads from each to the next: in words, and whether flat.

    ``live`` are the units of each space that the last corner needs.
    """

    points: tuple[Params, ...]
    steps: tuple[tuple[str, bool], ...] = ()
    live: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def to(self, point: Params, what: str, flat: bool) -> _Walk:
        return _Walk((*self.points, point), (*self.steps, (what, flat)), self.live)

    def using(self, live: Mapping[str, Sequence[int]]) -> _Walk:
        return _Walk(self.points, self.steps, live)


def _descent(network: Layers, start: Params, kept: Mapping[str, Kept]) -> _Walk:
    """From a network to one of which half of every layer is needed, the last layer first."""
    walk = _Walk((start,))
    for space in reversed(list(network.units)):
        half = _half(network, kept, space)
        here = walk.points[-1]
        dropped = network.without(here, space, half.units, half.scale)
        if not network.after(space):
            walk = walk.to(dropped, f"drop units of {space}", flat=False)
        else:
            pairs = {name: _aside(network, walk, name) for name in network.after(space)}
            copy = network.swapped(dropped, pairs)
            aside = {name: [new for _, new in chosen] for name, chosen in pairs.items()}
            hosted = network.hosting(here, copy, aside)
            later = ", ".join(aside)
            walk = walk.to(hosted, f"copy {later} beside itself, without units of {space}", True)
            walk = walk.to(network.headed(hosted, copy), "heads go to the copy", flat=False)
            walk = walk.using({**walk.live, **aside})
        walk = walk.using({**walk.live, space: half.units})
    return walk


def _half(network: Layers, kept: Mapping[str, Kept], space: str) -> Kept:
    """What is kept of a space, once it is known to be units of it, and at most half of them."""
    half, size = kept.get(space, Kept((), 1.0)), network.units[space].size
    if not 0 < 2 * len(half.units) <= size:
        raise BadInput(
            f"{len(half.units)} of {size} units of {space!r} are kept, expected 1 to half of them",
            "keep some of every space, and leave room for the other network",
        )
    network.units[space].require(*half.units)
    return half


def _aside(network: Layers, walk: _Walk, space: str) -> list[tuple[int, int]]:
    """Every unit of a space that is needed, with one that is not."""
    live = walk.live[space]
    rest = [k for k in range(network.units[space].size) if k not in set(live)]
    return list(zip(live, rest, strict=False))


def _joined(network: Layers, first: _Walk, second: _Walk) -> _Walk:
    """From the start of one descent down, across, and up the other."""
    walk = _apart(network, first, second.live)
    end = second.points[-1]
    hosted = network.hosting(walk.points[-1], end, second.live)
    walk = walk.to(hosted, "the other network beside it", flat=True)
    walk = walk.to(network.headed(hosted, end), "heads go to the other network", flat=False)
    points, steps = second.points[::-1], second.steps[::-1]
    walk = walk.to(points[0], "what is not needed goes where it ends", flat=True)
    for point, (what, flat) in zip(points[1:], steps, strict=True):
        walk = walk.to(point, f"back: {what}", flat)
    return walk


def _apart(network: Layers, walk: _Walk, other: Mapping[str, Sequence[int]]) -> _Walk:
    """Move the units that both networks need at the same place to where neither needs one."""
    pairs: dict[str, list[tuple[int, int]]] = {}
    for space, live in walk.live.items():
        taken = set(live) | set(other[space])
        rest = [k for k in range(network.units[space].size) if k not in taken]
        both = [k for k in live if k in set(other[space])]
        pairs[space] = list(zip(both, rest, strict=False))
    if not any(pairs.values()):
        return walk
    here = walk.points[-1]
    copied = dict(here)
    for space, chosen in pairs.items():
        units = network.units[space]
        copied = units.mixed(copied, rows=units.copied(chosen))
    handed = copied
    for space, chosen in pairs.items():
        units = network.units[space]
        handed = units.mixed(handed, columns=units.handed(chosen))
    moved = {
        space: [dict(pairs[space]).get(unit, unit) for unit in needed]
        for space, needed in walk.live.items()
    }
    walk = walk.to(copied, "copy units that are in the way", flat=True)
    return walk.to(handed, "read the copies", flat=True).using(moved)


def settled(
    symmetry: Symmetry, path: Polygon, ends: tuple[Params, Params], b: Mapping[str, Tensor]
) -> AbstractPath:
    """The path, led on to ``b`` itself along free coordinates, which no output feels."""
    if not symmetry.chart.canonical:
        return Polygon([*path.points[:-1], b])
    values = {**symmetry.identity().values, **symmetry.settling(*ends)}
    return path.then(OrbitPath(symmetry, Element(symmetry, values), b).reversed())


def _measured(
    whole: AbstractPath,
    path: Polygon,
    steps: Sequence[tuple[str, bool]],
    loss: Loss,
    corners: tuple[int, int],
) -> DropoutStable:
    """The result, with the loss at every corner and in the middle of every segment.

    ``corners`` says how many of them, from each end, are networks on the way to the dropped one.
    """
    pieces = len(steps)
    at = [loss(path(k / (2 * pieces))) for k in range(2 * pieces + 1)]
    if not all(map(math.isfinite, at)):
        raise NotFinite(
            "the loss is NaN or infinite at a corner of the path",
            "choose other halves, or networks that are dropout-stable",
        )
    ends = at[0], at[-1]
    down, up = at[: 2 * corners[0] - 1 : 2], at[-(2 * corners[1] - 1) :: 2]
    gaps = max(down) - ends[0], max(up) - ends[1]
    bound, highest = max(*down, *up), max(at)
    segments = tuple(
        Segment(what, flat, (at[2 * k], at[2 * k + 1], at[2 * k + 2]))
        for k, (what, flat) in enumerate(steps)
    )
    certificate = Certificate(
        f"the loss is at most {bound:.4g} on the whole path, where it is convex in the outputs",
        Verdict.TESTED if highest <= bound + ROUNDING * abs(bound) else Verdict.REFUTED,
        bound - highest,
        {"gaps": gaps, "ends": ends, "highest": highest, "points": len(at)},
    )
    return DropoutStable(whole, segments, gaps, bound, highest, certificate)
