"""The command line: one short file per verb."""

from __future__ import annotations

from collections.abc import Sequence

from isthmus.cli.align import align
from isthmus.cli.app import app
from isthmus.cli.barrier import barrier
from isthmus.cli.connect import connect
from isthmus.cli.demo import demo
from isthmus.cli.discover import discover
from isthmus.cli.merge import merge

for _verb in (connect, demo, discover, align, barrier, merge):  # in the order of the help
    app.command()(_verb)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code is 0, 1 (a check failed), 2 (bad input) or 130."""
    try:
        app(None if arguments is None else list(arguments), prog_name="isthmus")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return 0


__all__ = ["main"]
