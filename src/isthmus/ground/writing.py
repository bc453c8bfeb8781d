"""Writing files whole or not at all: nothing is overwritten unasked or left half-written."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path

from isthmus.ground.errors import CannotWrite, OutputExists

StrPath = str | os.PathLike[str]
Content = bytes | str | Callable[[Path], None]


def refuse_existing(path: StrPath, force: bool = False, *, inputs: Iterable[StrPath] = ()) -> None:
    """Nothing where `path` may be written; an error where that would destroy something.

    An empty folder counts as free. Call it before the work as well as at the write.

    Args:
        path: The file or folder to be written.
        force: Allow what exists to be replaced, but never an input.
        inputs: Files and folders that this run reads.

    Raises:
        OutputExists: `path` exists and `force` is false, or it is one of `inputs` or lies in one.
    """
    target = Path(path)
    if not target.exists():
        return
    for source in map(Path, inputs):
        if source.exists() and _is_or_holds(source, target):
            raise OutputExists(
                f"{target} is also an input ({source})",
                "choose another output; an input is never overwritten",
            )
    if not force and not (target.is_dir() and not any(target.iterdir())):
        raise OutputExists(
            f"{target} exists already", "choose another output, or allow it with force (--force)"
        )


def _is_or_holds(source: Path, target: Path) -> bool:
    return source.samefile(target) or source.resolve() in target.resolve().parents


def atomic_write(path: StrPath, content: Content) -> None:
    """`content` in the file `path`, complete and synced to disk, or the old state unchanged.

    It goes to a temporary file in the same folder, which then takes the place of `path` in one step
    and is removed on any failure, an interrupt included. Missing parent folders are made.

    Args:
        path: The file; an existing one is replaced (see `refuse_existing`).
        content: Bytes, text (written as UTF-8), or a function that writes the file it is given.

    Raises:
        CannotWrite: The system refuses: no permission, no space, a folder or a device in the way.
    """
    target = Path(path)
    if target.exists() and not target.is_file():
        kind = "a folder" if target.is_dir() else "not a regular file"
        raise CannotWrite(f"cannot write {target}: it is {kind}", "choose another output")
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch(exist_ok=False)
        mode = temporary.stat().st_mode
        _fill(temporary, content)
        temporary.chmod(mode)  # a writer may have put a private file in its place
        _sync(temporary)
        os.replace(temporary, target)
    except OSError as error:
        raise cannot_write(target, error) from error
    finally:
        _remove(temporary)
    _sync_folder(target.parent)


def _fill(path: Path, content: Content) -> None:
    if isinstance(content, str):
        content = content.encode()
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        content(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Sync the folder's entry too, where the system can; the file itself is safe already."""
    try:
        _sync(folder)
    except OSError:
        return


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:  # its folder never came to be
        return


def cannot_write(path: StrPath, error: Exception) -> CannotWrite:
    """The `CannotWrite` for what the system said about `path`."""
    number = error.errno if isinstance(error, OSError) else None
    reason = os.strerror(number) if number else str(error)
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        remedy = "free some space or choose another disk"
    elif number in (errno.EEXIST, errno.ENOTDIR):
        reason = "a part of its folder's path is a file"
        remedy = "choose another folder"
    else:
        remedy = "choose an output that you may write"
    return CannotWrite(f"cannot write {path}: {reason}", remedy)
