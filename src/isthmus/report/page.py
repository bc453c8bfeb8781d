"""The report: one HTML file that needs nothing else, neither a network nor a folder beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

from isthmus.ground import Certificate, MissingExtra, Verdict
from isthmus.report import words
from isthmus.report.advice import advise
from isthmus.report.connection import ALIGNED, HOME, NAIVE, Connection
from isthmus.report.drawing import network_svg
from isthmus.report.heat import layers_svg
from isthmus.report.plots import barrier_svg, chart_data
from isthmus.report.surfaces import contours_svg, relief_svg

_PATH_NAMES = {
    NAIVE: "straight, A to B",
    ALIGNED: "straight, A to B′",
    HOME: "orbit, B′ to B",
}
_MODEL_NAMES = {"a": "A", "b": "B, also B′", "merged": "merged: average of A and B′"}


def require_report() -> None:
    """Nothing, if the packages that a report needs are installed.

    Raises:
        MissingExtra: One is not.
    """
    try:
        import jinja2  # noqa: F401
        import plotly  # noqa: F401
    except ImportError as error:
        raise MissingExtra(
            f"the report needs {error.name}, which is not installed",
            "pip install 'isthmus[report]'",
        ) from error


def page(connection: Connection) -> str:
    """The report of a connection as one self-contained HTML document.

    Raises:
        MissingExtra: jinja2 or plotly is not installed.
    """
    require_report()
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    folder = resources.files("isthmus.report") / "templates"
    environment = Environment(
        loader=PackageLoader("isthmus.report"),
        autoescape=select_autoescape(enabled_extensions=("html", "j2")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Inside <script> only "</" and "<!--" could end the data early.
    data = json.dumps(chart_data(connection), allow_nan=False).replace("<", "\\u003c")
    return environment.get_template("page.html.j2").render(
        **_content(connection),
        data=Markup(data),
        svg=Markup(barrier_svg(connection)),
        heat=Markup(layers_svg(connection.orbits)),
        network=Markup(network_svg(connection.symmetry)),
        surface=Markup(_surface(connection)),
        style=Markup((folder / "style.css").read_text(encoding="utf-8")),
        script=Markup((folder / "script.js").read_text(encoding="utf-8")),
        plotly=Markup(get_plotlyjs()),
    )


def _surface(connection: Connection) -> str:
    """The map and the relief; nothing where no plane was looked at."""
    if connection.surface is None:
        return ""
    return contours_svg(connection.surface, ("A", "B", "B′")) + relief_svg(connection.surface)


def _content(connection: Connection) -> dict[str, Any]:
    """Every text and table of the page."""
    symmetry = connection.symmetry
    return {
        "title": f"Isthmus: {words.outcome(connection).value}",
        "headline": words.headline(connection),
        "lead": words.lead(connection),
        "figures": _figures(connection),
        "warnings": list(symmetry.warnings),
        "barriers_text": words.barriers_text(connection),
        "toggles": _toggles(connection),
        "barrier_rows": _barrier_rows(connection),
        "merged_text": words.merged_text(connection),
        "score_heads": _score_heads(connection),
        "score_rows": _score_rows(connection),
        "advice": advise(connection),
        "distance_text": words.distance_text(connection),
        "orbits_text": words.orbits_text(connection),
        "symmetry_text": words.symmetry_text(connection),
        "symmetry_type": " × ".join(str(space) for space in symmetry.spaces.values()) or "1",
        "spaces": _spaces(connection),
        "rep_count": len(symmetry.reps),
        "reps": _reps(connection),
        "home_text": words.home_text(connection),
        "certificates": [_certificate(*pair) for pair in connection.certificates.items()],
        "provenance": list(connection.provenance.items()),
    }


def _figures(connection: Connection) -> list[dict[str, str | None]]:
    split, metric = connection.splits[0], connection.metric
    barriers, scores = connection.barriers[split], connection.scores[split]
    alignment = connection.alignment
    merged, a, b = scores["merged"], scores["a"], scores["b"]
    if metric is None:
        value, parents = words.short(merged.loss), f"{words.short(a.loss)}, {words.short(b.loss)}"
    else:
        value = f"{merged.metrics[metric]:.2%}"
        parents = f"{a.metrics[metric]:.2%} and {b.metrics[metric]:.2%}"
    rows = [
        (
            "Barrier before",
            words.short(barriers[NAIVE].height),
            _beside(connection, NAIVE),
            "naive",
        ),
        (
            "Barrier after",
            words.short(barriers[ALIGNED].height),
            _beside(connection, ALIGNED),
            "aligned",
        ),
        (f"Merged {metric or 'loss'}", value, f"{split}; parents {parents}", "home"),
        (
            "Distance",
            f"{words.short(alignment.before)} → {words.short(alignment.after)}",
            "before → after alignment",
            None,
        ),
    ]
    return [dict(zip(("label", "value", "note", "tone"), row, strict=True)) for row in rows]


def _beside(connection: Connection, path: str) -> str:
    """Which data a figure is on, and what it is on the others."""
    first, *others = connection.splits
    more = (
        f"; {words.short(connection.barriers[split][path].height)} on {words.data_name(split)}"
        for split in others
    )
    return f"on {words.data_name(first)} data" + "".join(more)


def _toggles(connection: Connection) -> list[dict[str, Any]]:
    metrics = connection.barriers[connection.splits[0]][NAIVE].metrics
    choices = {"data": list(connection.splits), "measure": ["loss", *metrics]}
    return [
        {"name": name, "choices": values, "first": values[0]}
        for name, values in choices.items()
        if len(values) > 1
    ]


def _barrier_rows(connection: Connection) -> list[tuple[str, ...]]:
    return [
        (
            _PATH_NAMES[name],
            split,
            words.short(barrier.height),
            words.short(barrier.height_mean_ends),
            f"{barrier.at:.2f}",
            words.short(float(barrier.losses[0])),
            words.short(float(barrier.losses[-1])),
        )
        for split in connection.splits
        for name, barrier in connection.barriers[split].items()
    ]


def _score_heads(connection: Connection) -> list[str]:
    measures = ["loss"] + ([connection.metric] if connection.metric else [])
    return [f"{split} {measure}" for split in connection.splits for measure in measures]


def _score_rows(connection: Connection) -> list[list[str]]:
    rows = []
    for model, name in _MODEL_NAMES.items():
        row = [name]
        for split in connection.splits:
            score = connection.scores[split][model]
            row.append(words.short(score.loss))
            if connection.metric:
                row.append(f"{score.metrics[connection.metric]:.2%}")
        rows.append(row)
    return rows


def _spaces(connection: Connection) -> list[dict[str, Any]]:
    symmetry = connection.symmetry
    return [
        {
            "name": name,
            "size": space.size,
            "over": " × ".join(space.over),
            "group": str(space.group),
            "why": "; ".join(map(str, space.why[:3])),
            "lie_dim": symmetry.copies(name) * space.group.lie_dim,
            "log_components": f"{symmetry.copies(name) * space.group.log_components:.1f}",
            "moved": connection.moved.get(name, "does nothing"),
        }
        for name, space in symmetry.spaces.items()
    ]


def _reps(connection: Connection) -> str:
    symmetry = connection.symmetry
    width = max(map(len, symmetry.reps), default=0)
    rows = [f"{n:<{width}} : {r.text(symmetry.spaces)}" for n, r in symmetry.reps.items()]
    return "\n".join(rows)


_MEANING: Mapping[Verdict, str] = {
    Verdict.PROVED: "Proved: it holds whatever points are looked at.",
    Verdict.TESTED: "Tested on samples and not proved: no counterexample was found.",
    Verdict.REFUTED: "Refuted: the evidence is a counterexample.",
    Verdict.UNKNOWN: "Unknown: nothing was shown either way.",
}


def _certificate(name: str, certificate: Certificate) -> dict[str, str]:
    claim = certificate.claim
    facts = str(certificate).partition(claim)[2].strip(" ()")
    meaning = _MEANING[certificate.verdict] + (f" {facts[:1].upper()}{facts[1:]}." if facts else "")
    return {
        "name": name,
        "verdict": certificate.verdict.name,
        "claim": f"{claim[:1].upper()}{claim[1:]}.",
        "meaning": meaning,
    }
