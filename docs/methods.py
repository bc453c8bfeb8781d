"""Write docs/methods.md from results: ``python docs/methods.py FOLDER``.

FOLDER is what ``isthmus reproduce methods -o FOLDER`` made, with one seed, or once for each seed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, TypeAlias

from isthmus.ground import atomic_write
from isthmus.papers.methods import METHODS, Method

Runs: TypeAlias = list[dict[str, Any]]
"""The results of one experiment, by seed."""

PAGE = Path(__file__).with_name("methods.md")
HEAD = """# Methods

What the two papers stand on, and what stands on them: one row for each method. Every one runs here,
through the objects and verbs that are named, and has an experiment: `isthmus reproduce NAME` runs
it, draws its picture, and checks what is exact about the method, then the headline of its source at
our scale. Our networks are small, so that all of it runs on a laptop; figures of the sources are
theirs, on their networks. A check that does not hold, with the reason, is a *finding*. The figures
are of the first seed; how the checks came out is said of each.

*This page is made from the results by `python docs/methods.py FOLDER`.*
"""


def page(results: dict[str, Runs]) -> str:
    """The whole page in Markdown, from the results by the names of experiments."""
    rows = ["| method | here | the source reports | what we measured | |", "|---|---|---|---|---|"]
    before = None
    for one in METHODS:
        again = one.experiment is before  # methods that are compared stand together
        rows.append(_row(one, results.get(one.experiment.name, []), again))
        before = one.experiment
    return "\n".join([HEAD, *rows, *_findings(results)]) + "\n"


def _row(method: Method, runs: Runs, again: bool) -> str:
    """One line of the table; what is measured together is said once."""
    name = f"**{method.name}**<br>{method.source}"
    here = f"{method.call}<br>`{method.experiment.name}`"
    if not runs:
        measured, standing = "not run", ""
    elif again:
        measured, standing = "in the same experiment, above", ""
    else:
        measured = f"{runs[0]['found']['measured']} ({runs[0]['scale']})"
        standing = _standing(runs)
    cells = (name, here, method.headline.rstrip("."), measured, standing)
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _standing(runs: Runs) -> str:
    """How the checks came out, in a few words for all seeds with the same outcome."""
    seeds: dict[str, list[int]] = {}
    for run in runs:
        standings = [check["standing"] for check in run["checks"]]
        counts = {word: standings.count(word) for word in ("passed", "finding", "failed")}
        said = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
        seeds.setdefault(said, []).append(run["seed"])
    if len(runs) == 1:
        return next(iter(seeds))
    return "<br>".join(f"{said} ({_named(held)})" for said, held in seeds.items())


def _named(seeds: list[int]) -> str:
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"


def _findings(results: dict[str, Runs]) -> list[str]:
    """What does not hold at our scale, with which seeds, and why."""
    seeds: dict[str, list[int]] = {}
    for name, runs in results.items():
        for run in runs:
            for check in run["checks"]:
                if check["standing"] != "passed":
                    why = check["finding"].rstrip(".") or "a failure, unexplained"
                    said = f"`{name}`, {check['name']}: {check['claim']}. It does not: {why}"
                    seeds.setdefault(said, []).append(run["seed"])
    most = max(map(len, results.values()), default=0)
    lines = [f"* {said}{f' ({_named(s)})' if most > 1 else ''}." for said, s in seeds.items()]
    return ["", "## Findings", "", *lines] if lines else []


def read(folder: Path) -> dict[str, Runs]:
    """Every result in the folders of a folder, by the name of its experiment and by seed."""
    files = sorted(folder.glob("*/result.json"))
    found: dict[str, Runs] = {}
    for one in (json.loads(file.read_text("utf-8")) for file in files):
        found.setdefault(one["experiment"], []).append(one)
    return {name: sorted(runs, key=lambda one: int(one["seed"])) for name, runs in found.items()}


if __name__ == "__main__":
    names = {method.experiment.name for method in METHODS}
    results = {name: runs for name, runs in read(Path(sys.argv[1])).items() if name in names}
    atomic_write(PAGE, page(results))
