"""The figures as data for the page's charts, and the barrier picture as a small static SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from isthmus.ground import plain
from isthmus.landscape import Barrier
from isthmus.report.canvas import FONT, themed
from isthmus.report.connection import ALIGNED, HOME, NAIVE, Connection

MIDDLE, END, JUMP_AT = 1.0, 2.0, 1.92

_TONES = {NAIVE: "naive", ALIGNED: "aligned", HOME: "home"}
_LABELS = {
    NAIVE: "straight from A to B",
    ALIGNED: "straight from A to B′",
    HOME: "home along the orbit",
}


def chart_data(connection: Connection) -> dict[str, Any]:
    """What the page's script draws: curves by part of the data, places on the way, distances.

    Both routes from A to B share one horizontal axis from 0 (A) over 1 (B′) to 2 (B).
    """
    names = [name for name, value in connection.distances_before.items() if value > 0]
    return {
        "barriers": {
            split: {
                name: _curve(name, barrier, bool(connection.jumps))
                for name, barrier in connection.barriers[split].items()
            }
            for split in connection.splits
        },
        "chosen": {"data": connection.splits[0], "measure": "loss"},
        "places": [
            {"x": 0, "label": "A"},
            {"x": MIDDLE, "label": "B′"},
            {"x": END, "label": "B"},
        ],
        "jump": "; ".join(f"{text} in {name}" for name, text in connection.jumps.items()),
        "distances": {
            "names": names,
            "before": [plain(connection.distances_before[name]) for name in names],
            "after": [plain(connection.distances_after[name]) for name in names],
        },
    }


def _curve(name: str, barrier: Barrier, jumps: bool) -> dict[str, Any]:
    series = {"loss": barrier.losses, **dict(barrier.metrics)}
    return {
        "label": _LABELS[name],
        "tone": _TONES[name],
        "t": plain([float(t) for t in barrier.ts]),
        "x": plain([_place(name, float(t), jumps) for t in barrier.ts]),
        "series": {key: plain([float(v) for v in values]) for key, values in series.items()},
    }


def _place(name: str, t: float, jumps: bool) -> float:
    """Where on the common axis a path is at its own time `t`."""
    if name == NAIVE:
        return END * t
    if name == ALIGNED:
        return MIDDLE * t
    return MIDDLE + ((JUMP_AT if jumps else END) - MIDDLE) * t


@dataclass(frozen=True)
class _Frame:
    """The drawing area of an SVG and the ranges it shows."""

    width: float
    height: float
    low: float
    high: float
    left: float = 64
    top: float = 36
    bottom: float = 48
    right: float = 150

    def x(self, place: float) -> float:
        """From a place on the way, 0 to 2."""
        return self.left + place / END * (self.width - self.left - self.right)

    def y(self, value: float) -> float:
        """From a loss."""
        share = (value - self.low) / (self.high - self.low)
        return self.height - self.bottom - share * (self.height - self.top - self.bottom)


_STYLE = (
    f".isthmus text{{font:14px {FONT}}}.isthmus path{{fill:none;stroke-width:3;"
    "stroke-linejoin:round;stroke-linecap:round}"
) + themed(
    ".isthmus text{fill:$soft}.isthmus .rule{stroke:$rule}.isthmus .naive{stroke:$red}"
    ".isthmus .aligned{stroke:$teal}.isthmus .home{stroke:$amber}"
    ".isthmus text.naive{fill:$red;stroke:none}.isthmus text.aligned{fill:$teal;stroke:none}"
)


def barrier_svg(connection: Connection, split: str | None = None, width: int = 760) -> str:
    """The loss on both routes from A to B as a static picture, for a README or without scripts."""
    barriers = connection.barriers[split or connection.splits[0]]
    losses = [float(v) for barrier in barriers.values() for v in barrier.losses]
    high = _round_up(max(losses))
    frame = _Frame(width, width * 0.47, 0.0, high)
    parts = [
        (
            f'<svg class="isthmus" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {frame.width:g} '
            f'{frame.height:g}" role="img"><title>Loss on the way from A to B</title>'
            f"<style>{_STYLE}</style>"
        ),
        *_grid(frame),
        *(
            _line(name, barrier, frame, bool(connection.jumps))
            for name, barrier in barriers.items()
        ),
        *_names(barriers[NAIVE], barriers[ALIGNED], frame),
        "</svg>",
    ]
    return "".join(parts)


def _round_up(value: float) -> float:
    """The next number of the form 1, 2, 2.5 or 5 times a power of ten, a fifth at a time."""
    if value <= 0:
        return 1.0
    step = 10.0 ** (len(f"{int(value)}") - 1) if value >= 1 else 0.1
    while step > value:
        step /= 10
    candidates = [k * step / 2 for k in range(1, 25)]
    return next((c for c in candidates if c >= value * 1.02), value * 1.1)


def _grid(frame: _Frame) -> list[str]:
    rows = []
    for k in range(5):
        value = frame.low + (frame.high - frame.low) * k / 4
        y = frame.y(value)
        rows.append(
            f'<line class="rule" x1="{frame.x(0):.1f}" x2="{frame.x(END):.1f}" y1="{y:.1f}" '
            f'y2="{y:.1f}"/><text x="{frame.left - 10:.1f}" y="{y + 5:.1f}" text-anchor="end">'
            f"{value:.3g}</text>"
        )
    for place, label in ((0.0, "A"), (MIDDLE, "B′"), (END, "B")):
        rows.append(
            f'<text x="{frame.x(place):.1f}" y="{frame.height - 16:.1f}" text-anchor="middle">'
            f"{label}</text>"
        )
    rows.append(f'<text x="{frame.left:.1f}" y="14" text-anchor="end">loss</text>')
    return rows


def _line(name: str, barrier: Barrier, frame: _Frame, jumps: bool) -> str:
    points = " L".join(
        f"{frame.x(_place(name, float(t), jumps)):.1f} {frame.y(float(v)):.1f}"
        for t, v in zip(barrier.ts, barrier.losses, strict=True)
    )
    line = f'<path class="{_TONES[name]}" d="M{points}"/>'
    if name == HOME and jumps:
        y = frame.y(float(barrier.losses[-1]))
        line += (
            f'<path class="home" stroke-dasharray="2 7" d="M{frame.x(JUMP_AT):.1f} {y:.1f} '
            f'L{frame.x(END):.1f} {y:.1f}"/>'
        )
    return line


def _names(naive: Barrier, aligned: Barrier, frame: _Frame) -> Sequence[str]:
    """What the curves are called, beside their ends and top."""
    peak = max(range(len(naive.losses)), key=lambda k: float(naive.losses[k]))
    x = frame.x(END * float(naive.ts[peak])) + 14
    y = max(frame.y(float(naive.losses[peak])) + 5, frame.top + 8)
    end = frame.y(float(aligned.losses[-1]))
    return (
        f'<text class="naive" x="{x + 26:.1f}" y="{y:.1f}">before: straight line</text>',
        (
            f'<text class="aligned" x="{frame.x(END) + 14:.1f}" y="{end - 4:.1f}">'
            f"{escape('after: aligned')}</text>"
        ),
    )
