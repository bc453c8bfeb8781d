"""Plain tables: the first column to the left, all others to the right."""

from __future__ import annotations

from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A line for the head, a rule, and a line for each row.

    Example:
        >>> print(table(("rate", "loss"), [("0.1", "2.25"), ("1", "12")]))
        rate  loss
        ----  ----
        0.1   2.25
        1       12
    """
    cells = [list(row) for row in (head, *rows)]
    widths = [max(len(row[k]) for row in cells) for k in range(len(head))]
    lines = [
        "  ".join(
            cell.rjust(width) if k else cell.ljust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])
