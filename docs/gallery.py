"""Write docs/gallery.md and its pictures from results: ``python docs/gallery.py FOLDER``.

FOLDER is what ``isthmus reproduce all -o FOLDER`` made.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from isthmus.ground import atomic_write
from isthmus.papers import experiments

DOCS = Path(__file__).parent
LARGEST, ALL = 120_000, 1_200_000
"""Bytes of a picture, and of all pictures."""
HEAD = """# Gallery

Every picture is made by the command under it, from the numbers that its checks look at. The folder
that the command names then holds the numbers, the picture as SVG and PNG, and a page with the
checks.

*This page is made from the results by `python docs/gallery.py FOLDER`.*
"""
PARTS = {
    "zhao2025": "Zhao, Dehmamy, Walters and Yu 2025",
    "ferbach2023": "Ferbach, Goujaud, Gidel and Dieuleveut 2024",
    "methods": "Methods",
}


def main(folder: Path) -> None:
    """Copy the pictures, write the page; pictures that are too large are named and left out."""
    for old in (DOCS / "gallery").glob("*.svg"):
        old.unlink()
    sections, part, room = [HEAD], "", ALL
    for experiment in experiments():
        for file in sorted(folder.glob(f"{experiment.name}-*/result.json"))[:1]:  # the first seed
            pictures, room = copied(file.parent, experiment.name, room)
            if not pictures:
                continue
            paper = experiment.name.partition(".")[0]
            sections += [f"## {PARTS[paper]}\n"] if paper != part else []
            part = paper
            sections.append(section(json.loads(file.read_text("utf-8")), pictures))
    atomic_write(DOCS / "gallery.md", "\n".join(sections))


def copied(folder: Path, name: str, room: int) -> tuple[list[str], int]:
    """The names of an experiment's pictures, now in the gallery; and the bytes that are left."""
    found = []
    for file in sorted(folder.glob("*.svg")):
        size = file.stat().st_size
        if size > min(LARGEST, room):
            print(f"{file} has {size} bytes: left out", file=sys.stderr)
            continue
        room -= size
        found.append(f"{name.replace('.', '-')}-{file.name}")
        atomic_write(DOCS / "gallery" / found[-1], file.read_bytes())
    return found, room


def section(result: dict[str, Any], pictures: list[str]) -> str:
    """A title, pictures, and the command."""
    title = result["title"]
    command = f"isthmus reproduce {result['experiment']} --scale {result['scale']}"
    shown = "\n\n".join(f"![{title}](gallery/{name})" for name in pictures)
    return f"### {title}\n\n{shown}\n\n    {command}\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
