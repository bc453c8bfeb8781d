"""The command line: one short file per verb."""

from __future__ import annotations

from collections.abc import Sequence

# Each module adds its verb to the application, in the order of the help.
from isthmus.cli import align, barrier, connect, demo, discover, merge  # noqa: F401
from isthmus.cli.app import app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code is 0, 1 (a check failed), 2 (bad input) or 130."""
    try:
        app(None if arguments is None else list(arguments), prog_name="isthmus")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return 0
