"""Results as text on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from isthmus.algebra import Symmetry
from isthmus.algebra.printing import folded_warnings
from isthmus.alignment import Alignment
from isthmus.cli import screen
from isthmus.landscape import Barrier, Evaluation
from isthmus.report import Connection, headline, short

_NAMES = {
    "naive": "straight, A to B",
    "line": "straight, A to B",
    "aligned": "straight, A to aligned B",
    "home": "orbit, aligned B to B",
    "orbit": "orbit, aligned B to B",
    "bezier": "Bézier, A to B",
    "polygon": "polygon, A to B",
    "spline": "spline, A to B",
    "elastic": "elastic band, A to B",
    "aligned-bezier": "Bézier, A to aligned B",
    "aligned-polygon": "polygon, A to aligned B",
    "aligned-spline": "spline, A to aligned B",
    "aligned-elastic": "elastic band, A to aligned B",
}
_MODELS = {"a": "A", "b": "B", "merged": "merged"}


def show_symmetry(symmetry: Symmetry, *, full: bool = False) -> None:
    """The type of the model, then the size of its group; warnings on standard error.

    Repeated blocks are folded where the table would not fit a screen, unless ``full``.
    """
    quiet = replace(symmetry, warnings=())
    screen.say(quiet.table() if full else str(quiet))
    screen.say(
        f"continuous dimensions {symmetry.lie_dim}, "
        f"ln of the number of components {symmetry.log_components:.1f}"
    )
    show_warnings(symmetry)


def show_warnings(symmetry: Symmetry) -> None:
    """What discovery could not type, one line each, on standard error."""
    for text in folded_warnings(symmetry.warnings):
        screen.warn(text)


def show_alignment(alignment: Alignment) -> None:
    """How far B was from A, and is."""
    screen.say(f"distance {alignment.before:.6g} before, {alignment.after:.6g} after alignment")


def show_barriers(barriers: Mapping[str, Mapping[str, Barrier]]) -> None:
    """One row for every part of the data and path."""
    rows = [
        (
            _NAMES[name],
            split,
            short(barrier.height),
            f"{barrier.at:.2f}",
            short(float(barrier.losses[0])),
            short(float(barrier.losses[-1])),
        )
        for split, paths in barriers.items()
        for name, barrier in paths.items()
    ]
    columns = ("path", "data", "barrier", "at t", "loss at start", "loss at end")
    screen.table("Barriers", columns, rows)
    for split, paths in barriers.items():
        for name, barrier in paths.items():
            if barrier.interval is not None:
                screen.say(f"{_NAMES[name]}, {split}: {barrier.interval}")


def show_scores(scores: Mapping[str, Mapping[str, Evaluation]]) -> None:
    """One row for every model."""
    splits = list(scores)
    metrics = list(scores[splits[0]]["merged"].metrics)
    columns = ["model"] + [f"{s} {m}" for s in splits for m in ("loss", *metrics)]
    rows = []
    for model in scores[splits[0]]:
        row = [_MODELS[model]]
        for split in splits:
            score = scores[split][model]
            row += [short(score.loss), *(f"{score.metrics[m]:.4f}" for m in metrics)]
        rows.append(row)
    screen.table("Models", columns, rows)


def show_connection(connection: Connection) -> None:
    """The headline, then the numbers."""
    screen.say(headline(connection) + "\n")
    show_alignment(connection.alignment)
    screen.say("")
    show_barriers(connection.barriers)
    show_scores(connection.scores)
    for space, text in connection.jumps.items():
        screen.say(f"jump at the end of the orbit path: {text} in {space}")
