"""Crossing: how high one path between two minima leads. Meeting: all that was tried for a pair."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

from isthmus.ground import Result
from isthmus.landscape import AbstractPath, Interval


@final
@dataclass(frozen=True)
class Crossing(Result):
    """One path from a minimum to another, and the highest loss met on it.

    Attributes:
        connector: Who found it.
        height: The highest loss met; infinity where there is no path or a loss is not finite.
        at: The t of the highest loss.
        interval: Where the loss there lies for other samples of data; None unless asked for.
        ends: The losses at its two ends.
        kind: What the path is made of.
        jumps: Discrete steps of the symmetry on the way, in words. Where there are none the path
            joins the two in parameter space; else it leads from the one to another member of the
            other's orbit, and joins them only up to symmetry.
        points: How often the loss was computed on all data to find the height.
        steps: How many steps the path was trained for.
        reason: Why there is no path, where there is none.
        path: The path, for who called the connector; a census does not keep it.
    """

    connector: str
    height: float
    at: float = math.nan
    interval: Interval | None = None
    ends: tuple[float, float] = (math.nan, math.nan)
    kind: str = ""
    jumps: tuple[str, ...] = ()
    points: int = 0
    steps: int = 0
    reason: str = ""
    path: AbstractPath | None = field(
        default=None, repr=False, compare=False, metadata={"json": False}
    )

    @property
    def one_orbit(self) -> bool:
        """Whether the path never leaves the orbit: one solution in two systems of coordinates."""
        return self.kind == "exact-flat"

    @property
    def flat(self) -> bool:
        """Whether no loss on it is above both ends: there is no lower crossing."""
        return self.height <= max(self.ends)

    @property
    def low(self) -> float:
        """The lower end of where the height lies."""
        return self.height if self.interval is None else min(self.interval.low, self.height)

    @property
    def high(self) -> float:
        """The upper end of where the height lies."""
        return self.height if self.interval is None else max(self.interval.high, self.height)

    def __str__(self) -> str:
        if self.reason:
            return f"{self.connector}: {self.reason}"
        words = [f"{self.connector}: {self.height:.4g} at t = {self.at:.3g} ({self.kind})"]
        words += [] if self.interval is None else [str(self.interval)]
        return "; ".join(words + [f"jump of {jump}" for jump in self.jumps])

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Crossing:
        """The inverse of `to_json`."""
        interval = data["interval"]
        return cls(
            **{
                **data,
                "height": float(data["height"]),
                "at": float(data["at"]),
                "interval": None if interval is None else Interval(**interval),
                "ends": tuple(map(float, data["ends"])),
                "jumps": tuple(data["jumps"]),
            }
        )


@final
@dataclass(frozen=True)
class Meeting(Result):
    """All crossings that were tried between minima ``a`` and ``b``, by their places.

    Attributes:
        a: The first, of the smaller place.
        b: The second.
        distance: How far they are apart.
        crossings: What was tried, in order.
    """

    a: int
    b: int
    distance: float
    crossings: tuple[Crossing, ...]

    def best(self, up_to_symmetry: bool = False) -> Crossing | None:
        """The lowest crossing: in parameter space, or with jumps of the symmetry allowed."""
        found = [one for one in self.crossings if up_to_symmetry or not one.jumps]
        return min(found, key=lambda one: one.height, default=None)

    @property
    def one_orbit(self) -> bool:
        """Whether some path shows that both are one solution in other coordinates."""
        return any(crossing.one_orbit for crossing in self.crossings)

    def __str__(self) -> str:
        return "\n".join([f"{self.a} and {self.b}:", *(f"  {one}" for one in self.crossings)])

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Meeting:
        """The inverse of `to_json`."""
        crossings = tuple(map(Crossing.from_json, data["crossings"]))
        return cls(data["a"], data["b"], float(data["distance"]), crossings)
