"""Checkpoints together with the symmetry of their architecture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from isthmus.algebra import Symmetry
from isthmus.cli.inputs.data import load_data
from isthmus.cli.inputs.examples import example_for, placed
from isthmus.cli.inputs.models import load
from isthmus.cli.inputs.symmetries import load_checkpoints, load_symmetry, require_one
from isthmus.discovery import discover
from isthmus.ground import Params


def load_with_symmetry(
    paths: Sequence[Path],
    model: str | None,
    symmetry: Path | None,
    example: str | None,
    data: str | None,
) -> tuple[list[Params], Symmetry]:
    """The checkpoints in `paths`, and their symmetry: from a file, or discovered in the model.

    Raises:
        BadInput: Not exactly one of `model` and `symmetry` is given, or one cannot be read.
        BadCheckpoint: A checkpoint cannot be read.
        UnknownName: A name is missing or too many; so ShapeMismatch, DtypeMismatch and NotFinite.
    """
    require_one(model, symmetry)
    group = (
        load_symmetry(symmetry) if symmetry is not None else _discovered(str(model), example, data)
    )
    return load_checkpoints(paths, group), group


def _discovered(model: str, example: str | None, data: str | None) -> Symmetry:
    """The symmetry of a model, whose numbers are not needed."""
    named = load(model, values=False)
    given = load_data(data) if data and not example else None
    return discover(named.module, placed(example_for(example, given, named.example), named.module))
