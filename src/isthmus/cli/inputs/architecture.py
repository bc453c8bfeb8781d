"""Checkpoints together with the symmetry of their architecture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from isthmus.algebra import Symmetry
from isthmus.cli.inputs.checkpoints import load_checkpoint
from isthmus.cli.inputs.data import load_data
from isthmus.cli.inputs.examples import example_for
from isthmus.cli.inputs.models import load_model
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
    if symmetry is not None:
        group = load_symmetry(symmetry)
        return load_checkpoints(paths, group), group
    module = load_model(str(model))
    params = [load_checkpoint(path, module) for path in paths]
    inputs = example_for(example, load_data(data) if data and not example else None)
    return params, discover(module, inputs)
