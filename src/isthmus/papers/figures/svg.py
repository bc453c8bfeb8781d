"""A picture as SVG: one self-contained file, light or dark as the reader's screen is."""

from __future__ import annotations

from html import escape

from isthmus.papers.figures.picture import TONES, Dot, Line, Mark, Patch, Picture, Point, Text


def svg(picture: Picture) -> str:
    """The whole file."""
    size = f"{picture.width:.0f} {picture.height:.0f}"
    used = {"paper"} | {mark.tone for mark in picture.marks}
    tones = [(name, *TONES[name]) for name in TONES if name in used]
    light = "".join(f".isthmus-figure .{name}{{--tone:{one}}}" for name, one, _ in tones)
    dark = "".join(f".isthmus-figure .{name}{{--tone:{two}}}" for name, _, two in tones)
    style = (
        '.isthmus-figure text{font-family:system-ui,-apple-system,"Segoe UI",sans-serif;'
        "fill:var(--tone)}.isthmus-figure .bold{font-weight:600}"
        ".isthmus-figure path{fill:none;stroke:var(--tone);stroke-linejoin:round;"
        "stroke-linecap:round}.isthmus-figure .full{fill:var(--tone);stroke:none}"
        f"{light}@media(prefers-color-scheme:dark){{{dark}}}"
    )
    return (
        f'<svg class="isthmus-figure" xmlns="http://www.w3.org/2000/svg" role="img" '
        f'viewBox="0 0 {size}" width="{picture.width:.0f}" height="{picture.height:.0f}">'
        f"<title>{escape(picture.title)}</title><style>{style}</style>"
        '<rect class="paper full" width="100%" height="100%"/>'
        f"{''.join(map(_mark, picture.marks))}</svg>"
    )


def _mark(mark: Mark) -> str:
    if isinstance(mark, Line):
        dash = f' stroke-dasharray="{mark.dash:g} {mark.dash * 1.2:g}"' if mark.dash else ""
        way = _way(mark.points)
        return f'<path class="{mark.tone}" stroke-width="{mark.width:g}"{dash} d="{way}"/>'
    if isinstance(mark, Patch):
        area = f'd="{_way(mark.points)}Z"'
        return f'<path class="{mark.tone} full" fill-opacity="{mark.opacity:g}" {area}/>'
    x, y = mark.at
    if isinstance(mark, Dot):
        place = f'cx="{x:.1f}" cy="{y:.1f}" r="{mark.radius:g}"'
        return f'<circle class="{mark.tone} full" {place}/>'
    return _text(mark)


def _text(mark: Text) -> str:
    anchor = "end" if mark.anchor > 0.75 else "middle" if mark.anchor > 0.25 else "start"
    weight = " bold" if mark.bold else ""
    return (
        f'<text class="{mark.tone}{weight}" x="{mark.at[0]:.1f}" y="{mark.at[1]:.1f}" '
        f'text-anchor="{anchor}" font-size="{mark.size:g}">{escape(mark.text)}</text>'
    )


def _way(points: tuple[Point, ...]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
