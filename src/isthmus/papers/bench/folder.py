"""What an experiment leaves in its folder: result, arrays, pictures, one page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from isthmus.ground import atomic_write, save
from isthmus.papers.bench.bench import Bench
from isthmus.papers.bench.findings import Findings
from isthmus.papers.bench.page import page
from isthmus.papers.figures import as_png, as_svg


def write(bench: Bench, data: Mapping[str, Any], found: Findings) -> None:
    """Write ``arrays.safetensors``, every picture as SVG and PNG, ``page.html``, ``result.json``.

    Each file in one step, the result last: where it is, the rest is too.

    Args:
        bench: Its folder is where.
        data: Facts as plain data (`Experiment.run` says which), for the page and the result.
        found: What came out.

    Raises:
        MissingExtra: Pillow, which sets the text of PNG files, is not installed.
        CannotWrite: The system refuses.
    """
    folder = bench.folder
    facts = {"format": "pt", "experiment": str(data["experiment"]), "seed": str(bench.seed)}
    save(found.arrays(), folder / "arrays.safetensors", force=True, metadata=facts)
    pictures = found.draw()
    for name, picture in pictures.items():
        atomic_write(folder / f"{name}.svg", as_svg(picture))
        atomic_write(folder / f"{name}.png", as_png(picture))
    atomic_write(folder / "page.html", page(data, str(found), pictures))
    text = json.dumps(data, indent=2, allow_nan=False, ensure_ascii=False)
    atomic_write(folder / "result.json", text + "\n")
