"""One page about an experiment: what the paper says, what came out, how it was made."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from importlib import resources
from typing import Any

from isthmus.papers.figures import Drawn, as_svg

_STYLE = """
.passed{color:#0b7a75}.finding{color:#b4770d}.failed{color:#c8413f}
figure{margin:1.5rem 0}figure svg{width:100%;height:auto}
pre{overflow-x:auto}h2{margin:2.5rem 0 .8rem}
"""


def page(data: Mapping[str, Any], table: str, pictures: Mapping[str, Drawn]) -> str:
    """A self-contained HTML document; it opens offline.

    Args:
        data: The facts of `Experiment.run`.
        table: What came out, as text.
        pictures: By name.
    """
    style = (resources.files("isthmus.report") / "templates" / "style.css").read_text("utf-8")
    figures = "".join(f"<figure>{as_svg(picture)}</figure>" for picture in pictures.values())
    remarks = "".join(f"<li>{escape(text)}</li>" for text in data["remarks"])
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>Isthmus: {escape(data['experiment'])}</title><style>{style}{_STYLE}</style>"
        f"</head><body><main><h1>{escape(data['title'])}</h1><p>{escape(data['source'])}; "
        f"scale {data['scale']}, seed {data['seed']}.</p>{figures}<h2>Checks</h2>"
        f"<table>{''.join(_row(check) for check in data['checks'])}</table>"
        f"<h2>Numbers</h2><pre>{escape(table)}</pre>"
        + (f"<h2>What is ours</h2><ul>{remarks}</ul>" if remarks else "")
        + f"<h2>How it was made</h2>{_facts(data)}</main></body></html>"
    )


def _row(check: Mapping[str, Any]) -> str:
    claim = escape(check["claim"])
    if check["standing"] == "finding":
        claim += f"<br><em>{escape(check['finding'])}</em>"
    return (
        f'<tr><td class="{check["standing"]}">{check["standing"]}</td>'
        f"<td>{escape(check['name'])}</td><td>{claim}</td></tr>"
    )


def _facts(data: Mapping[str, Any]) -> str:
    facts = {
        **data["settings"],
        "seconds of work": f"{data['seconds']:.0f}",
        **data["environment"],
    }
    rows = "".join(
        f"<tr><td>{escape(name.replace('_', ' '))}</td><td>{escape(_text(value))}</td></tr>"
        for name, value in facts.items()
    )
    return f"<table>{rows}</table>"


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)
