"""Symmetries as text: all of it, or what fits one screen, with repeated blocks folded."""

from __future__ import annotations

import html
import re
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from isthmus.algebra.folding import (
    SUBSCRIPTS,
    Entry,
    Run,
    body_of,
    fold,
    name_of,
    short_names,
)
from isthmus.algebra.notation import quoted

if TYPE_CHECKING:
    from isthmus.algebra.symmetry import Symmetry

SCREEN = 40
"""More rows than this are folded."""
WIDTH = 100
NOTHING = "1 (no symmetry)"


def table(symmetry: Symmetry) -> str:
    """Every space and every parameter: the groups, then one row for each rep."""
    groups = " × ".join(str(space) for space in symmetry.spaces.values())
    rows = [(name, rep.text(symmetry.spaces)) for name, rep in symmetry.reps.items()]
    return "\n".join([groups or NOTHING, *_aligned(rows), *symmetry.warnings])


def summary(symmetry: Symmetry) -> str:
    """`table`, or where that has more rows than a screen, the same with repeated blocks folded.

    ``layers.{0…31}.up.weight : layers.i.up ⊗ stem*`` stands for 32 rows, the space
    ``32 × S(64)[layers.{0…31}.up]`` for 32 spaces.
    """
    if len(symmetry.reps) <= SCREEN:
        return table(symmetry)
    runs = _space_runs(symmetry)
    rows = _with_short_names(runs, folded_rows(symmetry, list(symmetry.reps)))
    groups = _joined([_factor(run) for run in runs]) if runs else NOTHING
    note = f"{len(symmetry.spaces)} spaces, {len(symmetry.reps)} parameters"
    if any("{" in name for name, _ in rows):
        note += "; i, j: the numbers in braces"
    if any(letter in body for _, body in rows for letter in SUBSCRIPTS):
        note += "; aᵢ: one of its own for each"
    note += "; all of it: .table()"
    return "\n".join([groups, *_aligned(rows), f"({note})", *folded_warnings(symmetry.warnings)])


def _with_short_names(
    runs: Sequence[Run], rows: Sequence[tuple[str, str]]
) -> list[tuple[str, str]]:
    """The same rows with spaces by the ends of their names, which the first line has in full."""
    short = short_names([name_of(run, free=True) for run in runs])
    spelled = re.compile(r"[^\s()*^+|⊗`]+")
    return [(n, spelled.sub(lambda m: short.get(m[0], m[0]), body)) for n, body in rows]


def folded_spaces(symmetry: Symmetry) -> list[str]:
    """The factors of the group, equal ones of repeated blocks as one with their number."""
    return [_factor(run) for run in _space_runs(symmetry)]


def _space_runs(symmetry: Symmetry) -> list[Run]:
    entries = [
        Entry.of(
            name,
            f"{space.group}[]" + "".join(f" {quoted(outer)}" for outer in space.over),
            symmetry.spaces.__contains__,
        )
        for name, space in symmetry.spaces.items()
    ]
    return fold(entries)


def _factor(run: Run) -> str:
    group, _, over = body_of(run).partition("[]")
    count = f"{len(run.entries)} × " if len(run.entries) > 1 else ""
    outer = f"({over.strip()})" if over else ""
    return f"{count}{group}[{name_of(run)}]{outer}"


def folded_rows(symmetry: Symmetry, names: Sequence[str]) -> list[tuple[str, str]]:
    """Names and reps of these parameters, repeated blocks as one row."""

    def known(name: str) -> bool:
        return name in symmetry.spaces or name in symmetry.reps

    entries = [Entry.of(n, symmetry.reps[n].text(symmetry.spaces), known) for n in names]
    rows: list[tuple[str, str]] = []
    for run in fold(entries):
        name, body = name_of(run), body_of(run)
        before = rows[-1] if rows else ("", "")
        # A weight and a bias of one module with the same rep share a row.
        if before[1] == body and _module(before[0]) == _module(name) != "":
            name = f"{before[0]}, {name.rpartition('.')[2]}"
            rows.pop()
        rows.append((name, body))
    return rows


def _module(name: str) -> str:
    return name.partition(", ")[0].rpartition(".")[0]


def folded_warnings(warnings: Sequence[str]) -> list[str]:
    """Warnings of repeated blocks as one, with their number."""
    entries = [Entry.of("", text, lambda word: "." in word) for text in warnings]
    alike: dict[tuple[str, ...], list[str]] = {}
    for entry, text in zip(entries, warnings, strict=True):
        alike.setdefault(entry.shape, []).append(text)
    return [
        same[0] + (f" (and {len(same) - 1} more like it)" if len(same) > 1 else "")
        for same in alike.values()
    ]


def _aligned(rows: Sequence[tuple[str, str]]) -> list[str]:
    width = max((len(name) for name, _ in rows), default=0)
    return [f"  {name:<{width}} : {body}" for name, body in rows]


def _joined(factors: Sequence[str]) -> str:
    """Factors with ``×`` between them, broken between factors where the line gets long."""
    # Spaces inside a factor must not break: they are no-break spaces meanwhile.
    glued = " ".join(("× " * (k > 0) + f).replace(" ", "\0") for k, f in enumerate(factors))
    lines = textwrap.wrap(glued, WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines).replace("\0", " ")


def markup(symmetry: Symmetry) -> str:
    """For a notebook: the folded table, and all of it behind a click where they differ."""
    short, whole = summary(symmetry), table(symmetry)
    shown = f"<pre>{html.escape(short)}</pre>"
    if short == whole:
        return shown
    folded = f"<summary>all {len(symmetry.reps)} parameters</summary>"
    return f"{shown}<details>{folded}<pre>{html.escape(whole)}</pre></details>"
