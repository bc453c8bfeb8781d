"""Print the reference of the command line: ``python docs/commands.py > docs/commands.md``."""

from __future__ import annotations

from enum import EnumType
from pathlib import Path
from typing import Any, get_args, get_type_hints

import typer

import isthmus.cli  # noqa: F401  (its verbs register themselves)
from isthmus.cli.app import app

HEAD = """# The command line

Every verb takes `--json FILE` for its result as data (`-` is standard output; what is meant for
people then goes to standard error). Exit codes: 0 done, 1 a check that was asked for failed, 2 bad
input, with its cause and the remedy in one line, 130 interrupted. What exists is replaced only with
`--force`, and no file is ever half-written.

*This page is made from the program by `python docs/commands.py`.*
"""


def page() -> str:
    """The whole page in Markdown."""
    verbs = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    return "\n".join([HEAD, *(_verb(name, one) for name, one in verbs.items())])


def _verb(name: str, command: Any) -> str:
    """A heading, what the verb does, and a table of what it takes."""
    hints = get_type_hints(command.callback)
    rows = [_row(one, hints[one.name]) for one in command.params]
    head = ["| | default | |", "|---|---|---|"]
    return "\n".join([f"## isthmus {name}\n", f"{command.help}\n", *head, *rows, ""])


def _row(parameter: Any, kind: Any) -> str:
    """An argument or an option: how it is written, its default, its help."""
    written = f"`{parameter.metavar or parameter.name.upper()}`"
    if parameter.opts[0].startswith("-"):
        value = parameter.metavar or _value(kind)
        written = ", ".join(f"`{one}`" for one in parameter.opts) + f" `{value}`" * bool(value)
    default = parameter.default
    shown = "needed" if parameter.required else f"`{default}`" if default is not None else ""
    cells = (written, "" if default is False else shown, parameter.help)
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


KINDS = {int: "N", float: "NUMBER", Path: "PATH", str: "TEXT"}


def _value(kind: Any) -> str:
    """What an option takes: some words, or something of a kind; nothing if it is a flag."""
    kinds = get_args(kind) or (kind,)
    words = [word.value for one in kinds if isinstance(one, EnumType) for word in one]
    return "/".join(words) or KINDS.get(kinds[0], "")


if __name__ == "__main__":
    print(page(), end="")
