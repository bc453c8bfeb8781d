"""Refining intervals of t until a bound is near enough to what is reached."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from isthmus.landscape.enclosures.intervals import Interval
from isthmus.landscape.enclosures.rounding import NARROWEST

_FEW_PIECES, _MOST_PIECES = 3, 8


@dataclass(frozen=True)
class Piece:
    """An interval with bounds of a function there.

    Attributes:
        where: The interval.
        upper: A bound of the function on all of it.
        lower: What the function reaches at ``at`` at least.
        at: A t of the interval.
        excess: How much of ``upper`` the enclosure's remainder is.
    """

    where: Interval
    upper: float
    lower: float
    at: float
    excess: float


@dataclass(frozen=True)
class Effort:
    """When to stop.

    Attributes:
        tolerance: How near the bound must come to what the function reaches.
        relative: So, as a share of that; the larger of the two counts.
        first: Equal pieces to begin with.
        work: The most intervals to bound.
    """

    tolerance: float
    relative: float
    first: int
    work: int

    def aim(self, lower: float) -> float:
        """The bound that is good enough for a function that reaches ``lower``."""
        return lower + max(self.tolerance, self.relative * lower)


def refine(
    bound: Callable[[Interval], Piece],
    lower: float,
    effort: Effort,
    progress: Callable[[int, int], None] | None = None,
) -> list[Piece]:
    """Pieces that cover [0, 1], each below the aim or as many as the work allows, in order.

    The piece with the largest bound is split first, into as many parts as an excess that falls with
    the square of the width calls for.

    Args:
        bound: What bounds the function on an interval.
        lower: What the function is known to reach.
        effort: When to stop.
        progress: Called with intervals bounded and the most that may be, after each.
    """
    done = 0

    def look(parts: Iterable[Interval]) -> list[Piece]:
        nonlocal done
        found = []
        for part in parts:
            found.append(bound(part))
            done += 1
            if progress is not None:
                progress(done, effort.work)
        return found

    pieces = look(Interval(0.0, 1.0).split(effort.first))
    while done < effort.work:
        worst = max(pieces, key=lambda piece: piece.upper)
        aim = effort.aim(max(lower, *(piece.lower for piece in pieces)))
        count = min(_parts(worst, aim), effort.work - done)
        if worst.upper <= aim or count < 2 or worst.where.reach / count < NARROWEST:
            break
        pieces.remove(worst)
        pieces += look(worst.where.split(count))
    return sorted(pieces, key=lambda piece: piece.where.start)


def _parts(piece: Piece, aim: float) -> int:
    """How many parts should bring a piece below the aim; a few where that cannot be reckoned."""
    target = aim - (piece.upper - piece.excess)
    if not math.isfinite(piece.excess) or target <= 0:
        return _FEW_PIECES
    return min(_MOST_PIECES, max(2, math.ceil(math.sqrt(piece.excess / target))))
