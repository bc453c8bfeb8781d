"""Outputs claimed before the work starts: refused if they exist, probed for permission."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from isthmus.ground.errors import BadInput, CannotWrite
from isthmus.ground.writing import cannot_write, refuse_existing

CHECKPOINT = (".safetensors", ".pt", ".pth")
"""Endings of files that checkpoints are written to."""


def claim(
    path: Path,
    *,
    force: bool,
    folder: bool = False,
    inputs: Iterable[Path] = (),
    endings: Sequence[str] = (),
) -> None:
    """Nothing, if `path` can be written later; an error now rather than after the work.

    Args:
        path: The file or folder to be written.
        force: Whether what exists there may be replaced.
        folder: Whether a folder is to be written.
        inputs: Files that this run reads, never overwritten.
        endings: What the name may end in; anything if not given.

    Raises:
        BadInput: Its name ends in something else.
        OutputExists: It exists and `force` is false, or it is an input.
        CannotWrite: It cannot be made there.
    """
    if path.is_dir() and not folder:
        raise CannotWrite(f"cannot write {path}: it is a folder", "give the path of a file")
    if path.exists() and not path.is_dir() and folder:
        raise CannotWrite(f"cannot write {path}: it is a file", "give the path of a folder")
    if endings and path.suffix not in endings:
        raise BadInput(f"{path}: unknown suffix {path.suffix!r}", f"end it in {_either(endings)}")
    refuse_existing(path, force, inputs=inputs)
    place = path if folder else path.parent
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        with tempfile.TemporaryDirectory(prefix=".isthmus-", dir=place):
            pass
    except OSError as error:
        raise cannot_write(path, error) from error


def _either(words: Sequence[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last
