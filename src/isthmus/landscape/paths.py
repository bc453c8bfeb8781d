"""Paths through parameter space: t in [0, 1] to Params."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, final

from torch import Tensor

from isthmus.ground import BadInput, Params, Result, distance, lerp, norm
from isthmus.ground.params import is_statistic
from isthmus.landscape.geometry import curvature, differences, length


@final
@dataclass(frozen=True)
class Jump(Result):
    """A discrete step that a path takes at ``at``: never interpolated over.

    Attributes:
        at: The t at which it happens.
        moved: What it does, by space.
    """

    at: float
    moved: Mapping[str, str]

    def __str__(self) -> str:
        return "; ".join(f"{space}: {text}" for space, text in self.moved.items())


class AbstractPath(ABC):
    """A path: ``path(t)`` is Params for every t in [0, 1].

    It is continuous but for its declared `jumps`.
    """

    def __call__(self, t: float) -> Params:
        """The point at ``t``; integer tensors are those of the start.

        Raises:
            BadInput: ``t`` is outside [0, 1].
        """
        require_inside(t)
        return self._at(float(t))

    @abstractmethod
    def _at(self, t: float) -> Params:
        """The point at ``t``, which is in [0, 1]."""

    @property
    @abstractmethod
    def kind(self) -> str:
        """What it is made of: "linear", "exact-flat", and so on, joined in order by ", "."""

    @property
    def start(self) -> Params:
        """The point at t = 0."""
        return self(0.0)

    @property
    def end(self) -> Params:
        """The point at t = 1."""
        return self(1.0)

    @property
    def ends(self) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor]]:
        """The two points that the path joins: start and end, with jumps there undone.

        ``ends[0]`` is not ``start`` exactly where a jump at t = 0 leads from the one to the other;
        so too at t = 1.
        """
        return self.start, self.end

    @property
    def jumps(self) -> tuple[Jump, ...]:
        """The discrete steps, in order."""
        return ()

    @property
    def breaks(self) -> tuple[float, ...]:
        """The t inside (0, 1) where the path has a corner or a jump: between them it is smooth."""
        return ()

    def jet(self, t: float, order: int = 2) -> list[Params]:
        """The point at ``t`` and its derivatives by t, up to ``order``; without integer tensors.

        By finite differences where a path knows nothing better. At a break, as of what follows.

        Raises:
            BadInput: ``t`` is outside [0, 1].
        """
        return differences(self, t, order)

    def derivative_bounds(self, t: float, within: float) -> tuple[float, float] | None:
        """Bounds of the norms of γ'' and γ''' at all s with ``|s - t| ≤ within``.

        They are proved, but for rounding; None where nothing is.
        """
        return None

    def speed(self, t: float) -> float:
        """``‖γ'(t)‖``, over all real numbers but what a BatchNorm measured. Raises as a call."""
        return norm(_counted(self.jet(t, 1)[1]))

    def curvature(self, t: float) -> float:
        """How fast the direction turns by length: 1 / radius; 0 where the path rests."""
        _, velocity, acceleration = self.jet(t, 2)
        return curvature(_counted(velocity), _counted(acceleration))

    def length(self, start: float = 0.0, stop: float = 1.0) -> float:
        """The length from ``start`` to ``stop``, without jumps: the integral of `speed`.

        To nine digits where the path is smooth. Raises as a call.
        """
        require_inside(start)
        require_inside(stop)
        inner = [t for t in self.breaks if start < t < stop]
        return length(self.speed, [start, *inner, stop])

    def then(self, other: AbstractPath) -> Joined:
        """This path in the first half of t and ``other`` in the second.

        Raises:
            BadInput: ``other`` does not start where this ends.
        """
        return Joined(self, other)

    def reversed(self) -> AbstractPath:
        """The same path from end to start."""
        return Reversed(self)


def require_inside(t: float) -> None:
    """Raise BadInput unless ``t`` is in [0, 1]."""
    if not 0 <= t <= 1:
        raise BadInput(f"t is {t}, expected a number in [0, 1]", "a path ends at t = 1")


def _counted(change: Params) -> Params:
    """Without the statistics that follow from weights and data."""
    return {name: x for name, x in change.items() if not is_statistic(name)}


def require_alike(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> None:
    """Raise as `isthmus.ground.lerp` unless names, shapes and dtypes agree; computes nothing."""
    lerp({n: t.to("meta") for n, t in a.items()}, {n: t.to("meta") for n, t in b.items()}, 0.0)


@final
@dataclass(frozen=True, eq=False)
class Joined(AbstractPath):
    """``first`` for t < 1/2, then ``second``.

    They must meet, or be a declared jump apart: then the jump is one of `jumps`, at t = 1/2.

    Args:
        first: The path for t < 1/2.
        second: The path from t = 1/2 on.
        tolerance: How far apart they may be where they meet, relative to the norm there.

    Raises:
        BadInput: They do not meet, even with the jumps declared there.
        UnknownName: The names differ; so ShapeMismatch and DtypeMismatch.
    """

    first: AbstractPath
    second: AbstractPath
    tolerance: float = 1e-5
    _made: tuple[bool, bool] = field(init=False, repr=False)
    """Whether the jump at the end of ``first``, and that at the start of ``second``, are made."""

    def __post_init__(self) -> None:
        before = (self.first.end, self.first.ends[1])
        after = (self.second.start, self.second.ends[0])
        room = self.tolerance * norm(before[0])
        for made in ((False, False), (False, True), (True, False), (True, True)):
            if distance(before[made[0]], after[made[1]]) <= room:
                object.__setattr__(self, "_made", made)
                return
        gap = distance(before[0], after[0])
        raise BadInput(
            f"the second path starts at distance {gap:.3g} from the end of the first, "
            f"expected at most {room:.3g}",
            "join paths that meet, as line.then(OrbitPath(symmetry, g, b).reversed()) does "
            "where the line ends at act(g, b)",
        )

    @property
    def kind(self) -> str:
        """Both kinds, with "jump" between them where there is one."""
        middle = ["jump"] if any(jump.at == 0.5 for jump in self.jumps) else []
        return ", ".join([self.first.kind, *middle, self.second.kind])

    @property
    def ends(self) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor]]:
        """The outer two of the four."""
        return self.first.ends[0], self.second.ends[1]

    @property
    def jumps(self) -> tuple[Jump, ...]:
        """Those of both; those at the joint only where they are needed there."""
        early = [j for j in self.first.jumps if j.at < 1 or self._made[0]]
        late = [j for j in self.second.jumps if j.at > 0 or self._made[1]]
        return tuple(
            [replace(j, at=j.at / 2) for j in early] + [replace(j, at=(1 + j.at) / 2) for j in late]
        )

    @property
    def breaks(self) -> tuple[float, ...]:
        """The joint, and those of both."""
        late = [(1 + t) / 2 for t in self.second.breaks]
        return (*(t / 2 for t in self.first.breaks), 0.5, *late)

    def jet(self, t: float, order: int = 2) -> list[Params]:
        """Twice as fast as the part at ``t``."""
        part = self.first.jet(2 * t, order) if t < 0.5 else self.second.jet(2 * t - 1, order)
        return _faster(part, 2.0)

    def _at(self, t: float) -> Params:
        return self.first(2 * t) if t < 0.5 else self.second(2 * t - 1)


@final
@dataclass(frozen=True, eq=False)
class Reversed(AbstractPath):
    """``path`` from its end to its start."""

    path: AbstractPath

    @property
    def kind(self) -> str:
        """The same parts in reverse order."""
        return ", ".join(self.path.kind.split(", ")[::-1])

    @property
    def ends(self) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor]]:
        """The other way round."""
        start, end = self.path.ends
        return end, start

    @property
    def jumps(self) -> tuple[Jump, ...]:
        """The inverse jumps, in reverse order; each is described as in ``path``."""
        return tuple(replace(jump, at=1 - jump.at) for jump in self.path.jumps[::-1])

    @property
    def breaks(self) -> tuple[float, ...]:
        """Mirrored."""
        return tuple(1 - t for t in self.path.breaks[::-1])

    def derivative_bounds(self, t: float, within: float) -> tuple[float, float] | None:
        """Mirrored."""
        return self.path.derivative_bounds(1 - t, within)

    def jet(self, t: float, order: int = 2) -> list[Params]:
        """Odd derivatives the other way."""
        return _faster(self.path.jet(1 - t, order), -1.0)

    def reversed(self) -> AbstractPath:
        """The path that was reversed."""
        return self.path

    def _at(self, t: float) -> Params:
        return self.path(1 - t)


def _faster(jet: list[Params], by: float) -> list[Params]:
    """The jet of a path that is passed ``by`` times as fast."""
    return [{name: by**k * x for name, x in part.items()} for k, part in enumerate(jet)]


def described(path: Any) -> tuple[str, tuple[Jump, ...]]:
    """The kind and the jumps of a path; a plain function of t has neither."""
    return (path.kind, path.jumps) if isinstance(path, AbstractPath) else ("given", ())
