"""Where everything in the drawing of a network goes: rows, the lanes of spaces, frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import log2

from isthmus.algebra.spaces import Axis, Choice, Factor, Sum, leaves
from isthmus.report.outline import Block, Outline, Row

LANE, STRIP, GAP = 18.0, 4.0, 8.5
_APART = 11.0
_TALLEST, _SHORTEST = 34.0, 14.0


@dataclass(frozen=True, slots=True)
class Strip:
    """A coloured piece of a matrix's edge: from and to in shares, how deep, which space."""

    start: float
    stop: float
    depth: int
    space: str | None


@dataclass(frozen=True, slots=True)
class Touch:
    """One line between a space's lane and a matrix; ``reads`` where the axis is dual."""

    space: str
    reads: bool
    top: bool
    share: float


@dataclass(slots=True)
class Placed:
    """A row with its place: the glyph's corner and size, and where its lines run."""

    row: Row
    level: int
    y: float = 0.0
    height: float = 0.0
    glyph: tuple[float, float] = (0.0, 0.0)
    left: list[Strip] = field(default_factory=list)
    top: list[Strip] = field(default_factory=list)
    touches: list[Touch] = field(default_factory=list)

    @property
    def above(self) -> float:
        """The room over the glyph that strips and reading lines take."""
        lines = sum(touch.top for touch in self.touches)
        return depth(self.top) * STRIP + lines * GAP + (5 if lines else 0)


@dataclass(frozen=True, slots=True)
class Frame:
    """Around the rows of a repeated block."""

    title: str
    count: int
    level: int
    start: float
    stop: float


@dataclass
class Plan:
    """The places of everything; lengths in pixels."""

    rows: list[Placed] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    lanes: dict[str, int] = field(default_factory=dict)
    spans: dict[str, tuple[float, float]] = field(default_factory=dict)
    height: float = 0.0

    @property
    def width(self) -> int:
        """How many lanes there are."""
        return max(self.lanes.values(), default=-1) + 1


def plan(outline: Outline, start: float) -> Plan:
    """Lay the rows out from top to bottom, then give every space a lane for as long as it lives."""
    made = Plan()
    end = _stack(outline, outline.parts, made, start, 0)
    made.height = end
    for placed in made.rows:
        for touch in placed.touches:
            y = line_y(placed, touch)
            low, high = made.spans.get(touch.space, (y, y))
            made.spans[touch.space] = (min(low, y), max(high, y))
    ends: list[list[tuple[float, float]]] = []
    # The longest-lived spaces (a residual stream) go to the left.
    for space, (low, high) in sorted(made.spans.items(), key=lambda s: (s[1][0] - s[1][1], s[1])):
        free = (
            k
            for k, taken in enumerate(ends)
            if all(high + 12 < a or b + 12 < low for a, b in taken)
        )
        lane = next(free, len(ends))
        if lane == len(ends):
            ends.append([])
        ends[lane].append((low, high))
        made.lanes[space] = lane
    return made


def _stack(
    outline: Outline, parts: Sequence[Row | Block], made: Plan, y: float, level: int
) -> float:
    """Place parts below ``y``; returns where they end."""
    for part in parts:
        if isinstance(part, Block):
            begin = y + 12
            y = _stack(outline, part.parts, made, begin + 26, level + 1) + 8
            made.frames.append(Frame(part.title, part.count, level, begin, y))
            y += 10
            continue
        placed = _place(outline, part, level)
        placed.y = y
        made.rows.append(placed)
        y += placed.height
    return y


def _place(outline: Outline, row: Row, level: int) -> Placed:
    rep = outline.symmetry.reps[row.names[0]]
    placed = Placed(row, level)
    placed.left = list(_strips(outline, rep.axes[0], 0.0, 1.0, 0))
    for axis in rep.axes[1:]:
        if any(factor.space for factor in leaves(axis)) or not placed.top:
            placed.top += [
                Strip(s.start, s.stop, s.depth + depth(placed.top), s.space)
                for s in _strips(outline, axis, 0.0, 1.0, 0)
            ]
    seen: set[tuple[str, bool]] = set()
    for top, axes in ((False, rep.axes[:1]), (True, rep.axes[1:])):
        touching = [f for axis in axes for f in leaves(axis) if f.space is not None]
        names = dict.fromkeys((outline.shown(str(f.space)), f.character.dual) for f in touching)
        fresh = [key for key in names if (key[0], top) not in seen]
        for k, (space, dual) in enumerate(fresh):
            seen.add((space, top))
            placed.touches.append(Touch(space, dual, top, (k + 1) / (len(fresh) + 1)))
    size = rep.shape
    wide = _length(size[1]) if len(size) > 1 else 5.0
    high = _length(size[0]) if len(size) > 1 else 22.0
    # Dots of one lane must not meet.
    apart = _APART * (1 + sum(not touch.top for touch in placed.touches))
    placed.glyph = (wide, max(high, apart))
    placed.height = max(46.0, placed.above + placed.glyph[1] + 18)
    return placed


def _length(size: int) -> float:
    """Larger axes are longer, by the logarithm."""
    return min(_TALLEST, max(_SHORTEST, 6 + 2.8 * log2(max(2, size))))


def _strips(outline: Outline, axis: Axis, lo: float, hi: float, at: int) -> Iterator[Strip]:
    """The pieces of an edge: factors side by side, the parts of a sum one after the other."""
    found = [term for term in axis if not isinstance(term, Factor) or term.space is not None]
    if not found:
        yield Strip(lo, hi, at, None)
    for term in found:
        if isinstance(term, Sum):
            begin = lo
            for part in term.parts:
                end = begin + (hi - lo) * _sized(part) / max(1, term.size)
                yield from _strips(outline, part, begin, end, at)
                begin = end
            at += max(_levels(part) for part in term.parts)
        elif isinstance(term, Choice):
            yield from _strips(outline, term.parts[0], lo, hi, at)
            at += _levels(term.parts[0])
        else:
            yield Strip(lo, hi, at, outline.shown(str(term.space)))
            at += 1


def _sized(axis: Axis) -> int:
    size = 1
    for term in axis:
        size *= term.size
    return size


def _levels(axis: Axis) -> int:
    levels = [
        1 if isinstance(term, Factor) else max(_levels(part) for part in term.parts)
        for term in axis
        if not isinstance(term, Factor) or term.space is not None
    ]
    return max(1, sum(levels))


def depth(strips: Sequence[Strip]) -> int:
    """How many strips lie side by side."""
    return max((strip.depth for strip in strips), default=-1) + 1


def glyph_y(placed: Placed) -> float:
    """The top of the matrix."""
    slack = placed.height - placed.above - placed.glyph[1]
    return placed.y + placed.above + slack / 2


def line_y(placed: Placed, touch: Touch) -> float:
    """The height at which a line runs: over the matrix, or into its left edge."""
    top = glyph_y(placed)
    if not touch.top:
        return top + placed.glyph[1] * touch.share
    order = [other for other in placed.touches if other.top].index(touch)
    return top - depth(placed.top) * STRIP - 5 - GAP * order
