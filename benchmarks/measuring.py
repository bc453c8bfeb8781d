"""What the benchmarks share: options, threads, times, tables. Only the standard library."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def options(doc: str | None, runs: int) -> argparse.ArgumentParser:
    """A parser with the options that every benchmark has."""
    parser = argparse.ArgumentParser(description=(doc or "").strip().splitlines()[0])
    parser.add_argument("--runs", type=int, default=runs, help="times each thing is measured")
    parser.add_argument("--threads", type=int, default=1, help="threads of every process")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as data")
    return parser


def environment(threads: int) -> dict[str, str]:
    """The variables of a process with this many threads.

    With more than one, waiting threads sleep: spinning ones cost a busy machine a factor of ten.
    """
    own = dict.fromkeys(THREADS, str(threads))
    if threads > 1:
        own["OMP_WAIT_POLICY"] = "PASSIVE"
    return {**os.environ, **own}


def use_threads(threads: int) -> None:
    """Set the variables for this process; call it before torch is imported."""
    os.environ.update(environment(threads))


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds that ``work()`` takes, and what it returns."""
    start = time.perf_counter()
    made = work()
    return time.perf_counter() - start, made


def median(values: Sequence[float]) -> float:
    """The middle value."""
    return float(statistics.median(values))


def spread(values: Sequence[float]) -> str:
    """Median, with smallest and largest value."""
    return f"{median(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Plain columns: the first to the left, all others to the right."""
    cells = [list(map(str, row)) for row in (head, *rows)]
    widths = [max(len(row[k]) for row in cells) for k in range(len(head))]
    lines = [
        "  ".join(
            cell.ljust(width) if k == 0 else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    return "\n".join([lines[0], "  ".join("-" * w for w in widths), *lines[1:]])


def machine(threads: int) -> dict[str, Any]:
    """Where the figures come from."""
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "threads": threads,
    }


def write(path: Path | None, name: str, threads: int, figures: Any) -> None:
    """Write the figures, if a file is asked for."""
    if path is not None:
        data = {"benchmark": name, "where": machine(threads), "figures": figures}
        path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        print(f"wrote {path}")
