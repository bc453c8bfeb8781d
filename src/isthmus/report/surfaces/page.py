"""One page about a surface, and the files of all its pictures."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib import resources
from pathlib import Path

from isthmus.ground.writing import StrPath, atomic_write
from isthmus.landscape.maps import Surface
from isthmus.report.surfaces.flat import contours_svg
from isthmus.report.surfaces.raster import contours_png
from isthmus.report.surfaces.solid import relief_svg


def surface_page(surface: Surface, names: Sequence[str] = ("A", "B", "C")) -> str:
    """The map, the relief and the paths of a surface as one self-contained HTML document."""
    style = (resources.files("isthmus.report") / "templates" / "style.css").read_text("utf-8")
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{trace.losses[0]:.4g}</td><td>{max(trace.losses):.4g}</td>"
        f"<td>{trace.losses[-1]:.4g}</td><td>{max(trace.away):.3g}</td></tr>"
        for name, trace in surface.paths.items()
    )
    head = "<tr><th>path</th><th>start</th><th>highest</th><th>end</th><th>off the plane</th></tr>"
    table = f"<table>{head}{rows}</table>" if rows else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>Isthmus: the loss on a plane</title><style>{style}</style></head><body><main>"
        f"<h1>The loss on the plane of three models</h1><p>{escape(str(surface))}.</p>"
        f"{contours_svg(surface, names)}<p>Distances are those between weights. A path is drawn "
        "where it is seen from above; off the plane its loss is not that of the map.</p>"
        f"{table}{relief_svg(surface)}</main></body></html>"
    )


def write_surface(
    surface: Surface, folder: StrPath, names: Sequence[str] = ("A", "B", "C")
) -> Path:
    """Write ``surface.svg``, ``relief.svg``, ``surface.png`` and ``surface.html`` into a folder.

    Files of these names are replaced, each in one step.

    Raises:
        CannotWrite: The system refuses.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    atomic_write(target / "surface.svg", contours_svg(surface, names))
    atomic_write(target / "relief.svg", relief_svg(surface))
    atomic_write(target / "surface.png", contours_png(surface))
    atomic_write(target / "surface.html", surface_page(surface, names))
    return target
