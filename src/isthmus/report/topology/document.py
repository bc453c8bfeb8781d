"""The shell of a page: one HTML document that needs nothing else, neither network nor folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from importlib import resources
from typing import Any

_SAFE = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
"""What a browser lets the page do: its own scripts, styles and images, and nothing outside."""


def document(
    title: str,
    lead: str,
    body: str,
    *,
    script: str = "",
    data: Mapping[str, Any] | None = None,
    library: str = "",
) -> str:
    """One self-contained HTML document in the style of the report.

    Args:
        title: Its heading.
        lead: One or two sentences below it.
        body: HTML.
        script: The name of a file of ``templates``, run at the end.
        data: What the script reads, as JSON in the element "report-data".
        library: Source of a library that it needs.
    """
    folder = resources.files("isthmus.report") / "templates"

    def source(name: str) -> str:
        return (folder / name).read_text(encoding="utf-8")

    ends = ""
    if script:
        # Inside <script> only "</" and "<!--" could end the data early.
        text = json.dumps(data, allow_nan=False).replace("<", "\\u003c")
        ends = (
            f'<script type="application/json" id="report-data">{text}</script>'
            f"<script>{library}</script><script>{source(script)}</script>"
        )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_SAFE}">'
        '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title><style>{source('style.css')}{source('topology.css')}"
        f"</style></head><body><main><header><h1>{escape(title)}</h1>"
        f'<p class="lead">{escape(lead)}</p></header>{body}</main>{ends}</body></html>'
    )


def section(heading: str, text: str, body: str) -> str:
    """A part of a page: ``body`` is HTML, the others are text."""
    return (
        f'<section><h2>{escape(heading)}</h2><p>{escape(text)}</p><div class="card scroll">{body}'
        "</div></section>"
    )
