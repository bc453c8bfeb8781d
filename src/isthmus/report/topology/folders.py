"""The files of a slice, of sheets and of a merge tree: pages, pictures and data, whole or not."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from isthmus.ground import refuse_existing
from isthmus.ground.writing import StrPath, atomic_write
from isthmus.report.canvas import Drawing, drawing_png, drawing_svg
from isthmus.report.folder import fill_folder
from isthmus.report.topology.level_pages import loops_of, slice_page, tree_page
from isthmus.report.topology.persistence import barcode_drawing, persistence_drawing
from isthmus.report.topology.sheets import sheets_drawing, sheets_page
from isthmus.report.topology.slices import main_leaves, stages_drawing
from isthmus.report.topology.trees import ends_of, tree_drawing
from isthmus.topology.merging_tree import MergeTree
from isthmus.topology.sheets import Sheets
from isthmus.topology.slices import Sublevels


def write_slice(
    found: Sublevels,
    folder: StrPath,
    names: Sequence[str] = (),
    *,
    force: bool = False,
    inputs: Iterable[StrPath] = (),
) -> Path:
    """Write ``slice.html``, pictures as SVG and PNG, and ``result.json`` into a folder.

    All is written or nothing is.

    Args:
        found: The slice.
        folder: Where.
        names: Of the models that its surface marks.
        force: Allow files in the folder to be replaced.
        inputs: Files that this run read, never overwritten.

    Raises:
        OutputExists: The folder holds files and ``force`` is false, or an output is an input.
        CannotWrite: The system refuses.
        MissingExtra: Pillow is not installed.
    """
    kinds = (found.tree.pairs(), loops_of(found))
    drawings = {
        "slice": stages_drawing(found, names),
        "tree": tree_drawing(
            found.tree, also=ends_of(*kinds), most=max(1, len(main_leaves(found)))
        ),
        "barcode": barcode_drawing(kinds),
        "persistence": persistence_drawing(kinds),
    }
    pages = {"slice.html": slice_page(found, names)}
    return _write(Path(folder), pages, drawings, found.to_json(), force, inputs)


def write_trees(
    trees: Mapping[str, MergeTree],
    folder: StrPath,
    names: Sequence[str],
    *,
    title: str = "How minima are joined",
    notes: Sequence[str] = (),
    level: float | None = None,
    unit: str = "loss",
    force: bool = False,
) -> Path:
    """Write ``trees.html``, pictures as SVG and PNG, and ``result.json``, as `write_slice` does.

    The arguments are those of `tree_page`. The pictures of the second tree are ``tree-2.svg`` ...
    """
    first, drawings = next(iter(trees.values())), {}
    ends = ends_of(*(tree.pairs() for tree in trees.values()))
    for k, tree in enumerate(trees.values()):
        number = f"-{k + 1}" if k else ""
        drawings[f"tree{number}"] = tree_drawing(
            tree, names, unit=unit, level=level, also=ends, like=first
        )
        drawings[f"barcode{number}"] = barcode_drawing([tree.pairs()], unit=unit, also=ends)
        drawings[f"persistence{number}"] = persistence_drawing([tree.pairs()], unit=unit)
    page = tree_page(trees, names, title=title, notes=notes, level=level, unit=unit)
    found = {word: tree.to_json() for word, tree in trees.items()} | {"names": list(names)}
    return _write(Path(folder), {"trees.html": page}, drawings, found, force)


def write_sheets(found: Sheets, folder: StrPath, *, force: bool = False) -> Path:
    """Write ``sheets.html``, ``sheets.svg``, ``sheets.png`` and ``result.json``.

    As `write_slice` does; of sheets of three factors, a picture for each of five sections.
    """
    last = len(found.axis) - 1
    drawings = {"sheets": sheets_drawing(found)} if found.factors == 2 else {
        f"sheets-{k + 1}": sheets_drawing(found, round(last * k / 4)) for k in range(5)
    }  # fmt: skip
    return _write(
        Path(folder), {"sheets.html": sheets_page([found])}, drawings, found.to_json(), force
    )


def _write(
    target: Path,
    pages: Mapping[str, str],
    drawings: Mapping[str, Drawing],
    result: Mapping[str, Any],
    force: bool,
    inputs: Iterable[StrPath] = (),
) -> Path:
    files: dict[str, str | bytes] = dict(pages)
    for name, drawing in drawings.items():
        files |= {f"{name}.svg": drawing_svg(drawing), f"{name}.png": drawing_png(drawing)}
    text = json.dumps(result, indent=2, allow_nan=False, ensure_ascii=False)
    files["result.json"] = text + "\n"
    refuse_existing(target, force)
    held = tuple(inputs)
    for name in files:
        refuse_existing(target / name, force, inputs=held)

    def fill(staging: Path) -> None:
        for name, content in files.items():
            atomic_write(staging / name, content)

    fill_folder(target, fill)
    return target
