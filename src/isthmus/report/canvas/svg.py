"""A drawing as SVG: one self-contained file, light or dark as the reader's screen is."""

from __future__ import annotations

import base64
from html import escape

from isthmus.report.canvas.colours import TONES, themed
from isthmus.report.canvas.png import png
from isthmus.report.canvas.shapes import Area, Dot, Drawing, Line, Pixels, Points, Shape, Words

FONT = 'system-ui,-apple-system,"Segoe UI",sans-serif'
"""Of all drawings."""


def drawing_svg(drawing: Drawing) -> str:
    """The whole file."""
    size = f"{drawing.width:.0f} {drawing.height:.0f}"
    body = '<rect class="paper" width="100%" height="100%"/>'
    body += "".join(map(_written, drawing.shapes))
    return (
        f'<svg class="drawing" xmlns="http://www.w3.org/2000/svg" role="img" '
        f'viewBox="0 0 {size}" width="{drawing.width:.0f}" height="{drawing.height:.0f}">'
        f"<title>{escape(drawing.title)}</title><style>{_style(body)}</style>{body}</svg>"
    )


def _style(body: str) -> str:
    """The tones that occur, each as the paint of areas and, with ``-line``, of lines."""
    used = [name for name in TONES if f'class="{name}' in body]
    return f".drawing text{{font-family:{FONT}}}" + themed(
        "".join(
            f".drawing .{name}{{fill:${name}}}.drawing .{name}-line{{stroke:${name}}}"
            for name in used
        )
    )


def _paint(colour: str, kind: str = "fill") -> str:
    if colour in TONES:
        return f'class="{colour}{"-line" if kind == "stroke" else ""}"'
    return f'{kind}="{colour}"'


def _way(points: Points) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _tipped(drawn: str, tip: str) -> str:
    return f"<g><title>{escape(tip)}</title>{drawn}</g>" if tip else drawn


def _written(shape: Shape) -> str:
    """A shape as SVG."""
    match shape:
        case Line(points, colour, width, dash, tip):
            dashes = f' stroke-dasharray="{dash:g} {1.2 * dash:g}"' if dash else ""
            drawn = (
                f'<path d="{_way(points)}" {_paint(colour, "stroke")} fill="none" '
                f'stroke-width="{width:g}" stroke-linejoin="round"{dashes}/>'
            )
        case Area(points, colour, tip, opacity):
            clear = f' fill-opacity="{opacity:g}"' if opacity < 1 else ""
            drawn = f'<path d="{_way(points)}Z" {_paint(colour)}{clear}/>'
        case Dot(x, y, radius, colour, edge, tip):
            around = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius + 1.5:g}" {_paint(edge)}/>'
            drawn = around if edge else ""
            drawn += f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" {_paint(colour)}/>'
        case Words():
            return _lettered(shape)
        case Pixels(x, y, width, height, image, smooth):
            style = "" if smooth else ' style="image-rendering:pixelated"'
            data = base64.b64encode(png(image)).decode()
            return (
                f'<image x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
                f'preserveAspectRatio="none"{style} '
                f'href="data:image/png;base64,{data}"/>'
            )
    return _tipped(drawn, tip)


def _lettered(words: Words) -> str:
    more = ' font-weight="600"' if words.bold else ""
    if words.halo:
        more += ' paint-order="stroke" stroke="#ffffff" stroke-width="3.5"'
    if words.upwards:
        more += f' transform="rotate(-90 {words.x:.1f} {words.y:.1f})"'
    return (
        f'<text x="{words.x:.1f}" y="{words.y:.1f}" font-size="{words.size:g}" '
        f'{_paint(words.colour)} text-anchor="{words.anchor}"{more}>{escape(words.text)}</text>'
    )
