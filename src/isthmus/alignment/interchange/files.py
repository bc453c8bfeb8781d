"""Mappings and permutations in files: JSON, npz and safetensors, never a pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from torch import Tensor

from isthmus.alignment.interchange.axes import Mapped, indices
from isthmus.ground import load, save
from isthmus.ground.errors import BadInput
from isthmus.ground.writing import StrPath, atomic_write, refuse_existing


def save_permutations(
    permutations: Mapping[str, Tensor], path: StrPath, *, force: bool = False
) -> None:
    """Write permutations as ``.json``, ``.npz`` or ``.safetensors``; never as a pickle.

    Raises:
        BadInput: another suffix.
        OutputExists: the file is there and ``force`` is false.
    """
    target = Path(path)
    if target.suffix == ".safetensors":
        save(permutations, target, force=force)
        return
    refuse_existing(target, force)
    if target.suffix == ".json":
        lists = {name: perm.tolist() for name, perm in permutations.items()}
        atomic_write(target, json.dumps(lists) + "\n")
    elif target.suffix == ".npz":
        arrays: dict[str, Any] = {name: perm.numpy() for name, perm in permutations.items()}

        def write(file: Path) -> None:
            with file.open("wb") as handle:
                np.savez(handle, **arrays)

        atomic_write(target, write)
    else:
        raise _suffix(target)


def load_permutations(path: StrPath) -> dict[str, Tensor]:
    """What `save_permutations` wrote, or another program in the same form.

    Raises:
        BadInput: it cannot be read, is not such a file, or holds anything but whole numbers.
    """
    source = Path(path)
    if source.suffix == ".safetensors":
        found: Mapping[str, Any] = load(source)
    elif source.suffix == ".json":
        found = _json(source)
    elif source.suffix == ".npz":
        try:
            with source.open("rb") as file, np.load(file, allow_pickle=False) as data:
                found = {name: data[name] for name in data.files}
        except (OSError, ValueError, TypeError, EOFError, BadZipFile) as error:
            raise BadInput(f"{source} cannot be read: {error}", "give an .npz of arrays") from error
    else:
        raise _suffix(source)
    return {name: indices(value, f"{source}: {name}") for name, value in found.items()}


def save_axes(
    mapping: Mapping[str, Sequence[str | None]], path: StrPath, *, force: bool = False
) -> None:
    """Write a mapping of axes as JSON.

    Raises:
        OutputExists: the file is there and ``force`` is false.
    """
    refuse_existing(path, force)
    lists = {name: list(axes) for name, axes in mapping.items()}
    atomic_write(path, json.dumps(lists, indent=2) + "\n")


def load_axes(path: StrPath) -> Mapped:
    """A mapping of axes from JSON.

    Raises:
        BadInput: it cannot be read, or is not a mapping to lists of names and null.
    """
    found = _json(Path(path))
    for name, axes in found.items():
        if not isinstance(axes, list) or any(not isinstance(x, str | None) for x in axes):
            raise BadInput(
                f"{path}: {name} is {axes!r}, expected a list with one entry for each axis",
                "write the name of a permutation, or null",
            )
    return {name: tuple(axes) for name, axes in found.items()}


def _json(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        said = error.strerror if isinstance(error, OSError) else "not JSON"
        raise BadInput(f"{path} cannot be read: {said}", "give a JSON object") from error
    if not isinstance(found, dict):
        raise BadInput(f"{path} holds a {type(found).__name__}", "give a JSON object")
    return found


def _suffix(path: Path) -> BadInput:
    return BadInput(
        f"{path}: unknown suffix {path.suffix!r}", "end it in .json, .npz or .safetensors"
    )
