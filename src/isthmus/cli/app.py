"""The typer application, and what all verbs share: exit codes, JSON, one-line errors."""

from __future__ import annotations

import functools
import json as json_format
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec

import typer

from isthmus.cli import screen
from isthmus.cli.inputs import claim
from isthmus.ground.errors import BadInput, IsthmusError
from isthmus.ground.writing import atomic_write

P = ParamSpec("P")

DONE, CHECK_FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

app = typer.Typer(
    name="isthmus",
    help="Discover a model's symmetries; align, connect and merge its checkpoints with them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@dataclass(frozen=True)
class Outcome:
    """What a verb found, as data for `--json`, and whether the checks asked for passed."""

    data: Mapping[str, Any]
    passed: bool = True


def verb(function: Callable[P, Outcome]) -> Callable[P, None]:
    """`function` as a verb: its outcome goes to `--json`, its errors become exit codes."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        code = INTERRUPTED
        try:
            code = DONE if _perform(function, *args, **kwargs).passed else CHECK_FAILED
        except IsthmusError as error:
            screen.complain(error)
            code = BAD_INPUT
        except KeyboardInterrupt:
            print("interrupted: nothing half-written remains", file=sys.stderr)
        raise typer.Exit(code)

    run.__annotations__ = {**function.__annotations__, "return": None}
    return run


def _perform(function: Callable[P, Outcome], /, *args: P.args, **kwargs: P.kwargs) -> Outcome:
    """Run `function` with standard output kept clean for its JSON where that goes there."""
    target = kwargs.get("json")
    if isinstance(target, str) and target != "-":
        force = bool(kwargs.get("force"))
        others = _paths(kwargs.values())
        if Path(target).resolve() in [path.resolve() for path in others]:
            raise BadInput(
                f"--json {target} is also another file of this run", "choose another name for it"
            )
        claim(Path(target), force=force, inputs=others)
    output = sys.stdout
    first = os.environ.get("WORLD_SIZE", "1") == "1" or os.environ.get("RANK", "0") == "0"
    # Under torchrun, only one process speaks.
    with _human_output(target) if first else _silence(), screen.warnings_as_lines():
        outcome = function(*args, **kwargs)
    if isinstance(target, str) and first:
        text = json_format.dumps(outcome.data, indent=2, allow_nan=False) + "\n"
        if target == "-":
            output.write(text)
            output.flush()
        else:
            atomic_write(target, text)
    return outcome


@contextmanager
def _human_output(json: object) -> Iterator[None]:
    if json == "-":
        with redirect_stdout(sys.stderr):
            yield
    else:
        yield


@contextmanager
def _silence() -> Iterator[None]:
    with (
        open(os.devnull, "w", encoding="utf-8") as nowhere,
        redirect_stdout(nowhere),
        redirect_stderr(nowhere),
    ):
        yield


def _paths(values: Iterable[object]) -> list[Path]:
    """Every path among the arguments of a verb."""
    found: list[Path] = []
    for value in values:
        if isinstance(value, Path):
            found.append(value)
        elif isinstance(value, list):
            found += [item for item in value if isinstance(item, Path)]
    return found
