"""`--symmetry`: the symmetry of an architecture from a file, instead of from its model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from isthmus.algebra import Symmetry
from isthmus.ground import Params, check, load
from isthmus.ground.errors import BadInput


def load_symmetry(path: Path) -> Symmetry:
    """The symmetry in a file that `isthmus discover --json` wrote.

    Raises:
        BadInput: It cannot be read, or holds something else.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        said = error.strerror if isinstance(error, OSError) else "not JSON"
        raise BadInput(
            f"--symmetry {path} cannot be read: {said}",
            "give a file that `isthmus discover --json FILE` wrote",
        ) from error
    return Symmetry.from_json(data)


def require_one(model: str | None, symmetry: Path | None) -> None:
    """Raise `BadInput` unless exactly one says what the architecture is."""
    if (model is None) == (symmetry is None):
        found = "neither --model nor" if model is None else "both --model and"
        raise BadInput(
            f"{found} --symmetry is given",
            "give one: the model, or what `isthmus discover --json FILE` wrote of it",
        )


def load_checkpoints(paths: Sequence[Path], symmetry: Symmetry) -> list[Params]:
    """The Params in `paths`, checked against the symmetry and the dtypes of the first.

    Raises:
        BadCheckpoint: One cannot be read.
        UnknownName: A name is missing or too many; so ShapeMismatch, DtypeMismatch and NotFinite.
    """
    found = [load(path) for path in paths]
    like = _expected(symmetry, found[0])
    return [
        check(params, like, aliases=symmetry.aliases, source=str(path))
        for path, params in zip(paths, found, strict=True)
    ]


def _expected(symmetry: Symmetry, first: Mapping[str, Tensor]) -> Params:
    """Tensors without numbers of the shapes that the reps say."""
    known = {symmetry.aliases.get(name, name): tensor.dtype for name, tensor in first.items()}
    return {
        name: torch.empty(shape, dtype=known.get(name, torch.float32), device="meta")
        for name, shape in symmetry.shapes.items()
    }
