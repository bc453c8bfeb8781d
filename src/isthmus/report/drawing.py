"""The network as a picture: every space a coloured lane, every parameter a matrix beside it.

The lanes run from top to bottom as the program does. A matrix stands on the row of its module; its
left edge (rows) and its top edge (columns) carry the colours of their spaces, and a line joins
each edge to the lane: a full dot where the axis moves with the space, a ring where it moves with
the inverse transpose, that is where the matrix reads. Repeated blocks are drawn once.
"""

from __future__ import annotations

import colorsys
import itertools
from collections.abc import Sequence
from html import escape

from isthmus.algebra import Symmetry
from isthmus.algebra.folding import Entry, Run, name_of, short_names
from isthmus.algebra.spaces import Axis, Factor
from isthmus.report import lanes
from isthmus.report.canvas import FONT, themed
from isthmus.report.lanes import LANE, STRIP, Frame, Placed, Plan, Touch
from isthmus.report.outline import Outline

_LEFT, _BOLD, _MONO = 26.0, 7.6, 7.0
_PALETTE = (
    "#0b7a75", "#d1495b", "#c98a0b", "#4863c7", "#7f4fa6", "#4f9d3a", "#1f8fc4", "#c4588f",
    "#8a6a3b", "#5f7f8c",
)  # fmt: skip
_STYLE = (
    f".network text{{font:13px {FONT}}}.network .small{{font-size:11.5px}}"
    ".network .bold{font-weight:600}.network .rep,.network .rep tspan"
    '{font:11.5px ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace}'
    ".network .frame{fill-opacity:.07;stroke-opacity:.35}"
) + themed(
    ".network text{fill:$ink}.network .soft{fill:$soft}.network .frame{fill:$grey;stroke:$grey}"
    ".network .cell{fill:$paper;stroke:$still}.network .paper{fill:$paper}"
    ".network .still{fill:$still}"
)


def network_svg(symmetry: Symmetry, order: Sequence[str] = ()) -> str:
    """The spaces of a network and the parameters that they act on, as one self-contained SVG.

    Args:
        symmetry: what is drawn; its reps suffice, so one from JSON does too.
        order: the names of the parameters in the order of the program, where it is known
            (`isthmus.discovery.parameter_order`); else they come as in the state dict.
    """
    return _Picture(symmetry, order).svg()


class _Picture:
    """One drawing in the making."""

    def __init__(self, symmetry: Symmetry, order: Sequence[str]) -> None:
        self.symmetry = symmetry
        self.outline = Outline.of(symmetry, order)
        alike: dict[str, list[str]] = {}
        for name in symmetry.spaces:
            alike.setdefault(self.outline.shown(name), []).append(name)
        self.alike = alike
        self.column = max(1, min(len(alike), 14), -(-len(alike) // 3))
        self.plan: Plan = lanes.plan(self.outline, 56 + 20.0 * self.column)
        born = sorted(self.plan.spans, key=lambda space: self.plan.spans[space])
        idle = [space for space in alike if space not in self.plan.spans]
        self.colours = {space: colour(k) for k, space in enumerate([*born, *idle])}
        self.short = short_names(list(alike))
        deepest = max((lanes.depth(row.left) for row in self.plan.rows), default=1)
        widest = max((_row_width(row) for row in self.plan.rows), default=40.0)
        self.glyph_x = _LEFT + LANE * self.plan.width + STRIP * deepest + 16
        self.text_x = self.glyph_x + widest + 22

    def svg(self) -> str:
        """All layers from the back to the front."""
        texts = [self._text(row) for row in self.plan.rows]
        wide, legend = self._legend()
        right = max([self.text_x + width for width, _ in texts] + [wide, 460.0])
        width, height = right + 24, self.plan.height + 40
        head = (
            f'<svg class="network" xmlns="http://www.w3.org/2000/svg" role="img" '
            f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}">'
            f"<title>The network and its spaces</title><style>{_STYLE}</style>"
            '<rect class="paper" width="100%" height="100%"/>'
        )
        return "".join(
            [
                head,
                *(self._frame(frame, width) for frame in self._outer_first()),
                *(self._lane(space) for space in self.plan.spans),
                *(self._row(row) for row in self.plan.rows),
                *(text for _, text in texts),
                legend,
                self._key(height),
                "</svg>",
            ]
        )

    def _outer_first(self) -> list[Frame]:
        return sorted(self.plan.frames, key=lambda frame: frame.level)

    def _lane_x(self, space: str) -> float:
        return _LEFT + LANE * self.plan.lanes[space]

    def _lane(self, space: str) -> str:
        low, high = self.plan.spans[space]
        x = self._lane_x(space)
        return (
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}" stroke-width="5" '
            f'stroke-linecap="round" stroke="{self.colours[space]}" stroke-opacity=".85"/>'
        )

    def _frame(self, frame: Frame, width: float) -> str:
        inset = 8.0 + 7 * frame.level
        title = f"{escape(frame.title)} "
        return (
            f'<rect class="frame" x="{inset:.1f}" y="{frame.start:.1f}" rx="10" '
            f'width="{width - 2 * inset:.1f}" height="{frame.stop - frame.start:.1f}"/>'
            f'<text class="bold" x="{self.text_x:.1f}" y="{frame.start + 18:.1f}">{title}'
            f'<tspan class="soft"> × {frame.count}</tspan></text>'
        )

    def _row(self, placed: Placed) -> str:
        """The matrix with its strips, the vectors beside it, and the lines to the lanes."""
        x, y = self.glyph_x, lanes.glyph_y(placed)
        wide, high = placed.glyph
        parts = [self._line(placed, touch) for touch in placed.touches]
        parts.append(_cell(x, y, wide, high))
        for k in range(1, len(placed.row.names)):
            parts.append(_cell(x + wide + 3 + 8 * (k - 1), y, 5, high))
        edge = lanes.depth(placed.left) * STRIP
        for s in placed.left:
            left = x - edge + s.depth * STRIP
            parts.append(
                self._rect(s.space, left, y + high * s.start, STRIP, high * (s.stop - s.start))
            )
        cap = lanes.depth(placed.top) * STRIP
        for s in placed.top:
            top = y - cap + s.depth * STRIP
            parts.append(
                self._rect(s.space, x + wide * s.start, top, wide * (s.stop - s.start), STRIP)
            )
        return f"<g><title>{escape(self._tip(placed))}</title>{''.join(parts)}</g>"

    def _rect(self, space: str | None, x: float, y: float, width: float, height: float) -> str:
        fill = 'class="still"' if space is None else f'fill="{self.colours[space]}"'
        return f'<rect {fill} x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>'

    def _line(self, placed: Placed, touch: Touch) -> str:
        lane, y = self._lane_x(touch.space), lanes.line_y(placed, touch)
        edge = self.glyph_x - lanes.depth(placed.left) * STRIP
        way = f"M{lane:.1f} {y:.1f}H{edge:.1f}"
        if touch.top:
            x = self.glyph_x + placed.glyph[0] * touch.share
            end = lanes.glyph_y(placed) - lanes.depth(placed.top) * STRIP
            way = f"M{lane:.1f} {y:.1f}H{x - 4:.1f}q4 0 4 4V{end:.1f}"
        colour = self.colours[touch.space]
        dot = f'fill="{colour}"'
        if touch.reads:
            dot = f'class="paper" stroke="{colour}" stroke-width="2"'
        return (
            f'<path d="{way}" fill="none" stroke="{colour}" stroke-width="1.6"/>'
            f'<circle cx="{lane:.1f}" cy="{y:.1f}" r="{4 if touch.reads else 4.6}" {dot}/>'
        )

    def _tip(self, placed: Placed) -> str:
        reps = self.symmetry.reps
        rows = [f"{name} : {reps[name].text(self.symmetry.spaces)}" for name in placed.row.names]
        return "\n".join(rows)

    def _text(self, placed: Placed) -> tuple[float, str]:
        """The names of a row, and below them its type in colours; the width with it."""
        x = self.text_x
        middle = lanes.glyph_y(placed) + placed.glyph[1] / 2
        kinds = ", ".join(name.rpartition(".")[2] for name in placed.row.names)
        title = placed.row.title
        notes = [kinds] * (kinds != title) + self._ends(placed)
        soft = " · ".join(notes)
        words, length = self._type(placed)
        width = max(len(title) * _BOLD + 10 + len(soft) * 6.4, length * _MONO)
        return width, (
            f'<text x="{x:.1f}" y="{middle - 2:.1f}"><tspan class="bold">{escape(title)}</tspan>'
            f'<tspan class="soft small" dx="{8 if title else 0}">{escape(soft)}</tspan></text>'
            f'<text class="rep" x="{x:.1f}" y="{middle + 15:.1f}">{words}</text>'
        )

    def _ends(self, placed: Placed) -> list[str]:
        """Whether it stands at an end of the network."""
        told = self.symmetry.pinned.get(placed.row.names[0], ())
        columns = dict.fromkeys(reason.operator for axis in told[1:] for reason in axis)
        rows = [reason.operator for reason in told[0]] if told else []
        read = [f"reads {who}" for who in columns if who.startswith("the input ")]
        return read[:1] + ["writes an output"] * ("an output of the model" in rows)

    def _type(self, placed: Placed) -> tuple[str, int]:
        rep = self.symmetry.reps[placed.row.names[0]]
        words: list[str] = []
        length = 0
        for k, axis in enumerate(rep.axes):
            if k:
                words.append('<tspan class="soft"> ⊗ </tspan>')
                length += 3
            more, size = self._axis(axis)
            words.append(more)
            length += size
        return "".join(words), length

    def _axis(self, axis: Axis) -> tuple[str, int]:
        """An axis with every space in its colour, without characters; its length in letters."""
        words, length = [], 0
        for k, term in enumerate(axis):
            if k:
                words.append(" ")
                length += 1
            if isinstance(term, Factor):
                text = str(term.size)
                style = 'class="soft"'
                if term.space is not None:
                    shown = self.outline.shown(term.space)
                    text = self.short[shown] + "*" * term.character.dual
                    style = f'fill="{self.colours[shown]}" style="fill:{self.colours[shown]}"'
                words.append(f"<tspan {style}>{escape(text)}</tspan>")
                length += len(text)
                continue
            inner = _shortened([self._axis(part) for part in term.parts])
            words.append("(" + " + ".join(text for text, _ in inner) + ")")
            length += sum(size for _, size in inner) + 3 * len(inner) - 1
        joined = "".join(words)
        return (joined, length) if len(axis) == 1 else (f"({joined})", length + 2)

    def _label(self, shown: str) -> tuple[str, str]:
        """The group of a space, and its name with what indexes it."""
        names, space = self.alike[shown], self.symmetry.spaces[shown]
        run = Run([Entry.of(name, "", lambda _: False) for name in names])
        count = f"{len(names)} × " if len(names) > 1 else ""
        owners = " ".join(self.short[self.outline.shown(outer)] for outer in space.over)
        return f"{count}{space.group}", name_of(run) + (
            f", one for each {owners}" if owners else ""
        )

    def _legend(self) -> tuple[float, str]:
        """All spaces with their colours and groups, from the first that acts; the width with it."""
        out = [f'<text class="bold" x="{_LEFT:.1f}" y="28">Spaces</text>']
        if not self.alike:
            out.append(f'<text class="soft" x="{_LEFT:.1f}" y="50">none: nothing acts</text>')
        labels = [(shown, *self._label(shown)) for shown in self.colours]
        left = _LEFT
        for start in range(0, len(labels), self.column):
            here = labels[start : start + self.column]
            at = left + 34
            to = at + max(len(group) for _, group, _ in here) * _MONO + 18
            for k, (shown, group, name) in enumerate(here):
                y = 50 + 20 * k
                out.append(
                    f'<line x1="{left:.1f}" x2="{left + 22:.1f}" y1="{y - 4}" y2="{y - 4}" '
                    f'stroke-width="5" stroke-linecap="round" stroke="{self.colours[shown]}"/>'
                    f'<text class="rep" x="{at:.1f}" y="{y}">{escape(group)}</text>'
                    f'<text class="rep" x="{to:.1f}" y="{y}">{escape(name)}</text>'
                )
            left = to + max(len(name) for _, _, name in here) * _MONO + 26
        return left, "".join(out)

    def _key(self, height: float) -> str:
        text = "● moves with the space · ○ moves with its inverse transpose · grey: fixed"
        return f'<text class="soft small" x="{_LEFT:.1f}" y="{height - 14:.1f}">{text}</text>'


def _shortened(parts: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """The parts of a sum, equal neighbours as one with their number, long ones cut in the middle.

    Each is its text and the length of what is seen of it.
    """
    out: list[tuple[str, int]] = []
    for part, same in itertools.groupby(parts):
        count = len(list(same))
        out.append((f"{count} × {part[0]}", part[1] + 4) if count > 1 else part)
    return out if len(out) <= 4 else [*out[:2], ("…", 1), out[-1]]


def _cell(x: float, y: float, width: float, height: float) -> str:
    return (
        f'<rect class="cell" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
        'rx="1.5"/>'
    )


def _row_width(placed: Placed) -> float:
    return placed.glyph[0] + 8 * (len(placed.row.names) - 1)


def colour(number: int) -> str:
    """A colour for each space: chosen ones first, then hues a golden angle apart."""
    if number < len(_PALETTE):
        return _PALETTE[number]
    hue = (number * 0.618034) % 1
    light = 0.40 + 0.08 * (number % 3)
    red, green, blue = colorsys.hls_to_rgb(hue, light, 0.55)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"
