"""`isthmus distance`: how far checkpoints are apart when gauge is no matter."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

import isthmus.alignment as alignment
from isthmus.cli import screen
from isthmus.cli.app import Outcome, verb
from isthmus.cli.inputs import claim, load_with_symmetry, names_of
from isthmus.cli.options import (
    DataOption,
    ExampleOption,
    ForceOption,
    JsonOption,
    ModelOrSymmetryOption,
    RestartsOption,
    SeedOption,
    SymmetryOption,
)
from isthmus.cli.showing import show_warnings
from isthmus.ground import BadInput
from isthmus.ground.writing import atomic_write
from isthmus.report import layers_svg, pairs_svg

Found: TypeAlias = "dict[tuple[int, int], alignment.OrbitDistance]"


@verb
def distance(
    checkpoints: Annotated[
        list[Path], typer.Argument(metavar="A B ...", help="Two, or more for a table of pairs.")
    ],
    model: ModelOrSymmetryOption = None,
    symmetry: SymmetryOption = None,
    example: ExampleOption = None,
    data: DataOption = None,
    seed: SeedOption = 0,
    restarts: RestartsOption = 0,
    draw: Annotated[
        Path | None, typer.Option("--draw", metavar="FILE.svg", help="Draw a heat map.")
    ] = None,
    json: JsonOption = None,
    force: ForceOption = False,
) -> Outcome:
    """Measure how far checkpoints are apart: between their orbits, so gauge does not count."""
    if len(checkpoints) < 2:
        raise BadInput(f"{len(checkpoints)} checkpoint to measure", "give at least two")
    if draw is not None:
        claim(draw, force=force, inputs=checkpoints, endings=(".svg",))
    pairs = list(itertools.combinations(range(len(checkpoints)), 2))
    found: Found = {}
    with screen.progress("distance") as step:
        step("reading the graph", 0, len(pairs) + 1)
        params, group = load_with_symmetry(checkpoints, model, symmetry, example, data)
        method = alignment.WeightMatching(restarts=restarts) if restarts else None
        for done, (i, j) in enumerate(pairs, 1):
            step(f"{checkpoints[i].name} and {checkpoints[j].name}", done, len(pairs) + 1)
            found[i, j] = alignment.distance(
                params[i], params[j], symmetry=group, method=method, seed=seed
            )
    show_warnings(group)
    picture, outcome = _two(found[0, 1]) if len(pairs) == 1 else _many(checkpoints, found)
    if draw is not None:
        atomic_write(draw, picture)
        screen.say(f"wrote {draw}")
    return Outcome(outcome)


def _two(found: alignment.OrbitDistance) -> tuple[str, dict[str, Any]]:
    """Show the layers of a pair; its picture and its data."""
    screen.say(str(found))
    return layers_svg(found), found.to_json()


def _many(checkpoints: list[Path], found: Found) -> tuple[str, dict[str, Any]]:
    """Show the table of all pairs; its picture and its data."""
    names = names_of(checkpoints)
    table = [[_relative(found, i, j) for j in range(len(names))] for i in range(len(names))]
    rows = [(n, *(f"{x:.1%}" for x in row)) for n, row in zip(names, table, strict=True)]
    screen.table("Distances between orbits, in shares of the models' size", ["", *names], rows)
    data = {
        "checkpoints": list(map(str, checkpoints)),
        "relative": table,
        "pairs": [{"a": i, "b": j, **pair.to_json()} for (i, j), pair in found.items()],
    }
    return pairs_svg(table, names), data


def _relative(found: Found, i: int, j: int) -> float:
    return 0.0 if i == j else found[min(i, j), max(i, j)].total.relative
