"""What a person sees: text and tables, warnings, progress bars, one-line errors."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from isthmus.discovery import UnknownOperatorWarning

Step: TypeAlias = "Callable[[str, int, int], None]"
"""Called with what begins, how many steps are done, and how many there are."""


def say(text: str) -> None:
    """`text` as it is: no wrapping, no markup."""
    Console().print(Text(text), soft_wrap=True)


def warn(text: str) -> None:
    """One line of warning on standard error."""
    print(f"warning: {' '.join(text.split())}", file=sys.stderr)


def complain(error: BaseException) -> None:
    """One line of error on standard error."""
    print(f"error: {' '.join(str(error).split())}", file=sys.stderr)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table whose first column is text and whose others are numbers."""
    grid = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for number, column in enumerate(columns):
        grid.add_column(column, justify="right" if number else "left", no_wrap=True)
    for row in rows:
        grid.add_row(*map(Text, row))
    console = Console()
    console.print(grid, width=max(console.width, 100), soft_wrap=True)
    console.print()


@contextmanager
def progress(title: str) -> Iterator[Step]:
    """A progress bar on standard error while the block runs; nothing where that is no terminal."""
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task(title, total=None)

        def step(what: str, done: int, total: int) -> None:
            bar.update(task, description=f"{title}: {what}", completed=done, total=total)

        yield step


@contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Python warnings inside the block as one line each, every text once.

    Those of unknown operators are left out: a symmetry carries them, and each verb shows them.
    """
    seen: set[str] = set()

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: object = None,
        line: str | None = None,
    ) -> None:
        if str(message) not in seen:
            seen.add(str(message))
            warn(str(message))

    with warnings.catch_warnings():
        warnings.simplefilter("default", UserWarning)
        warnings.simplefilter("ignore", UnknownOperatorWarning)
        warnings.showwarning = show
        yield
