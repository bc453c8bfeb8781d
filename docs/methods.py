"""Write docs/methods.md from results: ``python docs/methods.py FOLDER``.

FOLDER is what ``isthmus reproduce methods -o FOLDER`` made.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from isthmus.ground import atomic_write
from isthmus.papers.methods import METHODS, Method

PAGE = Path(__file__).with_name("methods.md")
HEAD = """# Methods

What the two papers stand on, and what stands on them: one row for each method. Every one runs here,
through the objects and verbs that are named, and has an experiment: `isthmus reproduce NAME` runs
it, draws its picture, and checks what is exact about the method, then the headline of its source at
our scale. Our networks are small, so that all of it runs on a laptop; figures of the sources are
theirs, on their networks. A check that does not hold, with the reason, is a *finding*.

*This page is made from the results by `python docs/methods.py FOLDER`.*
"""


def page(results: dict[str, dict[str, Any]]) -> str:
    """The whole page in Markdown, from the results by the names of experiments."""
    rows = ["| method | here | the source reports | what we measured | |", "|---|---|---|---|---|"]
    before = None
    for one in METHODS:
        again = one.experiment is before  # methods that are compared stand together
        rows.append(_row(one, results.get(one.experiment.name), again))
        before = one.experiment
    return "\n".join([HEAD, *rows, *_findings(results)]) + "\n"


def _row(method: Method, result: dict[str, Any] | None, again: bool) -> str:
    """One line of the table; what is measured together is said once."""
    name = f"**{method.name}**<br>{method.source}"
    here = f"{method.call}<br>`{method.experiment.name}`"
    if result is None:
        measured, standing = "not run", ""
    elif again:
        measured, standing = "in the same experiment, above", ""
    else:
        measured = f"{result['found']['measured']} ({result['scale']})"
        standing = _standing(result["checks"])
    cells = (name, here, method.headline.rstrip("."), measured, standing)
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _standing(checks: list[dict[str, Any]]) -> str:
    """How the checks came out, in a few words."""
    counts = {
        word: sum(check["standing"] == word for check in checks)
        for word in ("passed", "finding", "failed")
    }
    return ", ".join(f"{count} {word}" for word, count in counts.items() if count)


def _findings(results: dict[str, dict[str, Any]]) -> list[str]:
    """What does not hold at our scale, and why."""
    lines = [
        f"* `{name}`, {check['name']}: {check['claim']}. It does not: {check['finding']}."
        for name, result in results.items()
        for check in result["checks"]
        if check["standing"] == "finding"
    ]
    return ["", "## Findings", "", *lines] if lines else []


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """Every result in the folders of a folder, by the name of its experiment."""
    files = sorted(folder.glob("*/result.json"))
    found = [json.loads(file.read_text("utf-8")) for file in files]
    return {one["experiment"]: one for one in found}


if __name__ == "__main__":
    names = {method.experiment.name for method in METHODS}
    results = {name: one for name, one in read(Path(sys.argv[1])).items() if name in names}
    atomic_write(PAGE, page(results))
