"""The folder of a connection: result, checkpoints and report, whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from isthmus.ground import refuse_existing, save
from isthmus.ground.writing import StrPath, atomic_write, cannot_write
from isthmus.report.connection import Connection
from isthmus.report.page import page
from isthmus.report.surfaces import contours_png, contours_svg, relief_svg

FILES = ("aligned.safetensors", "merged.safetensors", "report.html", "result.json")
"""What is written; the result last, so that where it is, the rest is too."""

PICTURES = ("surface.svg", "relief.svg", "surface.png")
"""What is written besides, where the plane of the models was looked at."""


def write_folder(
    connection: Connection,
    folder: StrPath,
    *,
    force: bool = False,
    inputs: Iterable[StrPath] = (),
    others: Iterable[StrPath] = (),
) -> Path:
    """Write `FILES` into `folder`, and `PICTURES` where there is a surface.

    All is made in a temporary folder beside it, which then takes its place in one step where it
    did not exist or was empty; otherwise each file replaces its namesake in one step. An interrupt
    leaves nothing half-written.

    Args:
        connection: What is written.
        folder: Where.
        force: Allow files in the folder to be replaced.
        inputs: Files that this run read, never overwritten.
        others: Further files to copy into the folder.

    Raises:
        OutputExists: The folder holds files and `force` is false, or an output is an input.
        CannotWrite: The system refuses.
        MissingExtra: The report's packages are not installed.
    """
    target = Path(folder)
    protect(target, force=force, inputs=inputs)

    def fill(staging: Path) -> None:
        _fill(connection, staging)
        for other in map(Path, others):
            shutil.copyfile(other, staging / other.name)

    fill_folder(target, fill)
    return target


def fill_folder(target: Path, fill: Callable[[Path], None]) -> None:
    """Let ``fill`` write into a temporary folder beside ``target``, which then takes its place.

    Where ``target`` holds files already, each file replaces its namesake, "result.json" the last.

    Raises:
        CannotWrite: The system refuses.
    """
    staging: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        staging.chmod(0o755)
        fill(staging)
        _publish(staging, target)
    except OSError as error:
        raise cannot_write(target, error) from error
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)


def protect(folder: Path, *, force: bool, inputs: Iterable[StrPath]) -> None:
    """Raise `OutputExists` if writing `folder` would replace something it must not."""
    refuse_existing(folder, force)
    held = tuple(inputs)
    for name in (*FILES, *PICTURES):
        refuse_existing(folder / name, force, inputs=held)


def _fill(connection: Connection, folder: Path) -> None:
    words = {"format": "pt", "written_by": "isthmus"}
    save(connection.aligned, folder / "aligned.safetensors", metadata=words)
    save(connection.merged, folder / "merged.safetensors", metadata=words)
    atomic_write(folder / "report.html", page(connection))
    if connection.surface is not None:
        atomic_write(folder / "surface.svg", contours_svg(connection.surface, ("A", "B", "B′")))
        atomic_write(folder / "relief.svg", relief_svg(connection.surface))
        atomic_write(folder / "surface.png", contours_png(connection.surface))
    text = json.dumps(connection.to_json(), indent=2, allow_nan=False, ensure_ascii=False)
    atomic_write(folder / "result.json", text + "\n")


def _publish(staging: Path, target: Path) -> None:
    """`staging` becomes `target`; where that holds files already, file by file, the result last."""
    if not target.exists() or not any(target.iterdir()):
        os.replace(staging, target)
        return
    for source in sorted(staging.iterdir(), key=lambda file: file.name == FILES[-1]):
        os.replace(source, target / source.name)
