"""The command line: one short file per verb."""

from __future__ import annotations

from collections.abc import Sequence

from isthmus.cli import (
    align,
    barrier,
    canonical,
    certify,
    charges,
    components,
    connect,
    demo,
    discover,
    distance,
    ensemble,
    factors,
    merge,
    recheck,
    reproduce,
    slice,
    teleport,
    transfer,
    transport,
    tune,
)
from isthmus.cli.app import app

# In the order of the help.
for _verb in (
    connect.connect,
    demo.demo,
    discover.discover,
    align.align,
    distance.distance,
    canonical.canonical,
    barrier.barrier,
    certify.certify,
    components.components,
    merge.merge,
    transfer.transfer,
    factors.factors,
    ensemble.ensemble,
    transport.transport,
    tune.tune,
    teleport.teleport,
    charges.charges,
    recheck.recheck,
    slice.slice,
    reproduce.reproduce,
):
    app.command()(_verb)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code is 0, 1 (a check failed), 2 (bad input) or 130."""
    try:
        app(None if arguments is None else list(arguments), prog_name="isthmus")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return 0


__all__ = ["main"]
