"""`isthmus recheck`: a stored certificate of an alignment, held against the checkpoints again."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import Annotated, Any

import typer

from isthmus.alignment.optimality import recheck as check
from isthmus.cli import screen
from isthmus.cli.app import Outcome, verb
from isthmus.cli.inputs import load_with_symmetry
from isthmus.cli.options import (
    DataOption,
    ExampleOption,
    ForceOption,
    JsonOption,
    ModelOrSymmetryOption,
    SymmetryOption,
)
from isthmus.ground.errors import BadInput


@verb
def recheck(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="What `isthmus align --certify --json FILE` or `connect --certify` wrote.",
        ),
    ],
    to: Annotated[Path, typer.Option("--to", metavar="A", help="The checkpoint aligned to.")],
    b: Annotated[Path, typer.Option("--b", metavar="B", help="The checkpoint that was moved.")],
    model: ModelOrSymmetryOption = None,
    symmetry: SymmetryOption = None,
    example: ExampleOption = None,
    data: DataOption = None,
    json: JsonOption = None,
    force: ForceOption = False,
) -> Outcome:
    """Check the certificate of an alignment without solving again; exit 1 if it is refuted."""
    stored = _read(file)
    (target, source), group = load_with_symmetry([to, b], model, symmetry, example, data)
    found = check(stored, group, target, source)
    screen.say(str(found))
    return Outcome({**found.to_json(), "holds": found.holds}, found.holds)


def _read(file: Path) -> Any:
    """The JSON in a file."""
    try:
        return json_format.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        said = error.strerror if isinstance(error, OSError) else "not JSON"
        raise BadInput(
            f"{file} cannot be read: {said}",
            "give what `isthmus align --certify --json FILE` wrote",
        ) from error
