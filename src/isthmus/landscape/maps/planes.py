"""Planes through three models: the loss on a grid, and paths seen from above."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from isthmus.ground import BadInput, Params, Result
from isthmus.landscape.loss import Loss, Progress
from isthmus.landscape.paths import require_alike
from isthmus.landscape.running import Batch


@final
@dataclass(frozen=True, eq=False)
class Plane:
    """The plane through ``a``, ``b`` and ``c``, with ``a`` at (0, 0) and ``b`` on the first axis.

    The axes are orthonormal, so that distances and angles on the map are those between weights.
    Integer tensors are those of ``a``.

    Raises:
        BadInput: The three lie on one line.
        UnknownName: The names differ; so ShapeMismatch and DtypeMismatch.
    """

    a: Mapping[str, Tensor]
    b: Mapping[str, Tensor]
    c: Mapping[str, Tensor]
    _axes: tuple[Params, Params] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        require_alike(self.a, self.b)
        require_alike(self.a, self.c)
        first, width = _unit(self._from_a(self.b))
        rest = self._from_a(self.c)
        size = math.sqrt(_inner(rest, rest))
        for _ in range(2):  # once more for what rounding left
            along = _inner(rest, first)
            rest = {name: t - along * first[name] for name, t in rest.items()}
        second, height = _unit(rest)
        if not width > 0 or not height > 1e-9 * size:
            raise BadInput(
                "the three models lie on one line, expected a plane",
                "give a third model that is not between or beyond the two",
            )
        object.__setattr__(self, "_axes", (first, second))

    def _from_a(self, params: Mapping[str, Tensor]) -> Params:
        """``params`` minus ``a`` in float64."""
        return {
            name: params[name].detach().double() - t.detach().double()
            for name, t in self.a.items()
            if t.is_floating_point()
        }

    def at(self, x: float, y: float) -> Params:
        """The params at a place of the map."""
        first, second = self._axes
        return {
            name: (t + (x * first[name] + y * second[name])).to(t.dtype) if name in first else t
            for name, t in self.a.items()
        }

    def place(self, params: Mapping[str, Tensor]) -> tuple[float, float, float]:
        """Where params are seen: both coordinates of the foot, and the distance from the plane."""
        moved = self._from_a(params)
        x, y = (_inner(moved, axis) for axis in self._axes)
        return x, y, math.sqrt(max(0.0, _inner(moved, moved) - x * x - y * y))

    @property
    def corners(self) -> tuple[tuple[float, float], ...]:
        """Where ``a``, ``b`` and ``c`` are."""
        return tuple(self.place(params)[:2] for params in (self.a, self.b, self.c))


def _inner(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> float:
    return math.fsum(float(torch.sum(t * b[name])) for name, t in a.items())


def _unit(vector: Params) -> tuple[Params, float]:
    length = math.sqrt(_inner(vector, vector))
    return {name: t / (length or 1.0) for name, t in vector.items()}, length


@final
@dataclass(frozen=True)
class Trace(Result):
    """A path as a plane shows it.

    Attributes:
        x: First coordinates.
        y: Second coordinates.
        away: Distances from the plane: the loss that is drawn there is not the path's own.
        losses: The losses on the path itself.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    away: tuple[float, ...]
    losses: tuple[float, ...]


@final
@dataclass(frozen=True)
class Surface(Result):
    """The loss on a plane.

    Attributes:
        x: First coordinates of the grid.
        y: Second coordinates.
        losses: The loss at ``(x[i], y[j])`` as ``losses[j][i]``.
        corners: Where the three models are.
        paths: Paths by name.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    losses: tuple[tuple[float, ...], ...]
    corners: tuple[tuple[float, float], ...]
    paths: Mapping[str, Trace] = field(default_factory=dict)

    def __str__(self) -> str:
        values = [value for row in self.losses for value in row]
        words = (
            f"loss {min(values):.4g} to {max(values):.4g} on {len(self.x)} x {len(self.y)} places"
        )
        for name, trace in self.paths.items():
            words += f"; path {name} at most {max(trace.away):.4g} from the plane"
        return words


def surface(
    loss: Loss,
    plane: Plane,
    steps: int = 21,
    margin: float = 0.25,
    paths: Mapping[str, Callable[[float], Mapping[str, Tensor]]] | None = None,
    points: int = 25,
    recompute_statistics: Iterable[Batch] | None = None,
    progress: Progress | None = None,
) -> Surface:
    """The loss on a grid over the three models of a plane and around them.

    Args:
        loss: The loss.
        plane: Where.
        steps: Places of the grid in each direction; at least 2.
        margin: How far the grid goes beyond the models, as a share of their extent.
        paths: Paths to show, by name.
        points: On each path, at equal steps of t; at least 2.
        recompute_statistics: As for `barrier`; a network with BatchNorm needs it where the plane
            leaves the triangle, since a variance may be negative there.
        progress: Called with (places done, places).

    Raises:
        BadInput: ``steps`` or ``points`` is below 2, or ``margin`` negative.
    """
    if steps < 2 or points < 2 or margin < 0:
        raise BadInput(
            f"steps is {steps}, points {points} and margin {margin}",
            "use at least 2 steps and points, and a margin of at least 0",
        )
    xs, ys = (_axis([corner[k] for corner in plane.corners], steps, margin) for k in (0, 1))
    again = None if recompute_statistics is None else tuple(recompute_statistics)
    total = len(xs) * len(ys) + points * len(paths or {})

    def shown(done: int, _: int) -> None:
        if progress is not None:
            progress(done, total)

    rows = on_grid(loss, plane, xs, ys, again, shown)
    traces: dict[str, Trace] = {}
    for name, path in (paths or {}).items():
        done = len(xs) * len(ys) + points * len(traces)

        def told(k: int, _: int, done: int = done) -> None:
            if progress is not None:
                progress(done + k, total)

        ts = [k / (points - 1) for k in range(points)]
        seen = [plane.place(path(t)) for t in ts]
        x, y, away = zip(*seen, strict=True)
        along = tuple(one.loss for one in loss.along(path, ts, again, told))
        traces[name] = Trace(x, y, away, along)
    return Surface(xs, ys, rows, plane.corners, traces)


def on_grid(
    loss: Loss,
    plane: Plane,
    xs: Sequence[float],
    ys: Sequence[float],
    recompute_statistics: Iterable[Batch] | None = None,
    progress: Progress | None = None,
) -> tuple[tuple[float, ...], ...]:
    """The loss at all places of a grid, a row for each of ``ys``; arguments as of `surface`."""
    places = [(x, y) for y in ys for x in xs]
    found = loss.along(
        lambda k: plane.at(*places[int(k)]), range(len(places)), recompute_statistics, progress
    )
    losses, steps = [one.loss for one in found], len(xs)
    return tuple(tuple(losses[k : k + steps]) for k in range(0, len(losses), steps))


def _axis(values: Sequence[float], steps: int, margin: float) -> tuple[float, ...]:
    low, high = min(values), max(values)
    low, high = low - margin * (high - low), high + margin * (high - low)
    return tuple(low + (high - low) * k / (steps - 1) for k in range(steps))
