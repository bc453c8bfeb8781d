"""`isthmus reproduce`: run the experiments of papers, and check what they claim."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from isthmus.cli import screen
from isthmus.cli.app import Outcome, verb
from isthmus.cli.options import ForceOption, JsonOption, SeedOption
from isthmus.ground import BadInput
from isthmus.papers import experiments
from isthmus.papers.bench import Findings, Scale
from isthmus.papers.catalogue import AnyExperiment


@verb
def reproduce(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="ferbach2023.learning_rates; ferbach2023, all of a paper; all. Left out, a list.",
        ),
    ] = None,
    scale: Annotated[
        Scale, typer.Option("--scale", help="smoke: seconds; quick: minutes; paper: as printed.")
    ] = Scale.QUICK,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="A folder in it for each experiment; what is there goes on."
        ),
    ] = Path("reproduced"),
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=1,
            help="Processes of one thread each; one for every core if not given.",
        ),
    ] = None,
    seed: SeedOption = 0,
    json: JsonOption = None,
    force: ForceOption = False,
) -> Outcome:
    """Run the experiments of a paper and check its claims; a finding is no failure."""
    chosen = experiments(name)
    if name is None:
        for one in chosen:
            screen.say(str(one))
        return Outcome({one.name: {"title": one.title, "source": one.source} for one in chosen})
    if output.exists() and not output.is_dir():
        raise BadInput(f"cannot write {output}: it is a file", "give the path of a folder")
    number = _cores() if workers is None else workers
    found = {
        one.name: _run(one, scale, seed, output / f"{one.name}-{scale}-{seed}", number, force)
        for one in chosen
    }
    data = {
        key: {"found": one.to_json(), "checks": [check.to_json() for check in one.check()]}
        for key, one in found.items()
    }
    return Outcome(data, all(one.passed for one in found.values()))


def _run(
    experiment: AnyExperiment, scale: Scale, seed: int, folder: Path, workers: int, force: bool
) -> Findings:
    """Run one, and show what came out."""
    screen.say(f"{experiment}\n")
    with screen.progress(experiment.name) as step:
        found: Findings = experiment.run(
            scale, seed, folder, workers=workers, tell=step, force=force
        )
    screen.say(f"{found}\n")
    for check in found.check():
        screen.say(str(check))
    screen.say(f"\nwrote {folder}; open {folder / 'page.html'}\n")
    return found


def _cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
