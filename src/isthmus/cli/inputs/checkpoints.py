"""Checkpoints of a given model, checked against it."""

from __future__ import annotations

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
