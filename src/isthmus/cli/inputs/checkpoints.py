"""Checkpoints of a given model, checked against it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from isthmus.ground import Params, aliases, load, params_of


def load_checkpoint(path: Path, model: nn.Module) -> Params:
    """The Params in `path`, in the order of the model's own.

    Raises:
        BadCheckpoint: It cannot be read.
        UnknownName: A name is missing or too many; so ShapeMismatch, DtypeMismatch and NotFinite.
    """
    return load(path, like=params_of(model), aliases=aliases(model))


def names_of(paths: Sequence[Path]) -> list[str]:
    """The names of the files, with their folders where two are alike."""
    names = [path.stem for path in paths]
    return names if len(set(names)) == len(names) else list(map(str, paths))
