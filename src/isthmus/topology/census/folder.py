"""Folder: what a census has found so far, kept as it comes and given back to the same census."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor

from isthmus.ground import BadInput, OutputExists, atomic_write, plain
from isthmus.topology.census.crossing import Meeting

Pair: TypeAlias = "tuple[int, int]"

_HEADER, _PAIRS, _RESULT = "census.json", "pairs", "result.json"
_SAME_LOSS = 1e-5
"""How much a loss may differ by rounding, on another machine or in another order."""

_WORDS = {
    "minima": "of other minima",
    "symmetry": "with another symmetry",
    "level": "at another level",
    "options": "with other connectors or options",
}
"""What is wrong where a part of the header differs."""


@dataclasses.dataclass(frozen=True)
class Folder:
    """A folder of pairs, one file each, and a header that says of which census they are.

    Args:
        path: Where; None keeps nothing.
        header: What must be the same when a census goes on; see `header_of`.
    """

    path: Path | None
    header: Mapping[str, Any]

    def open(self, force: bool = False) -> dict[Pair, Meeting]:
        """The pairs that are kept; none in a new folder, which gets its header.

        Args:
            force: Begin anew where the folder holds another census.

        Raises:
            OutputExists: It holds something that is no census.
            BadInput: It holds another census, or a damaged one.
            CannotWrite: The system refuses.
        """
        if self.path is None:
            return {}
        header = self.path / _HEADER
        if header.exists():
            wrong = self._other(header)
            if wrong and not force:
                raise BadInput(
                    f"{self.path} holds a census {wrong}",
                    "choose another folder, or begin anew with force (--force)",
                )
            if not wrong:
                return {(m.a, m.b): m for m in map(_meeting, self._files())}
            for file in [self.path / _RESULT, *self._files()]:
                file.unlink(missing_ok=True)
        elif self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise OutputExists(
                f"{self.path} exists already and is no folder of a census", "choose another folder"
            )
        atomic_write(header, _text(self.header))
        return {}

    def keep(self, meeting: Meeting) -> None:
        """Keep a pair, whole or not at all.

        Raises:
            CannotWrite: The system refuses.
        """
        if self.path is not None:
            file = self.path / _PAIRS / f"{meeting.a}-{meeting.b}.json"
            atomic_write(file, _text(meeting.to_json()))

    def finish(self, result: Mapping[str, Any]) -> None:
        """Keep the result. Raises as `keep`."""
        if self.path is not None:
            atomic_write(self.path / _RESULT, _text(result))

    def _files(self) -> list[Path]:
        assert self.path is not None
        return sorted((self.path / _PAIRS).glob("*-*.json"))

    def _other(self, header: Path) -> str:
        """In what the kept census differs; nothing where it is the same."""
        try:
            kept = _read(header)
            before = [float(one) for one in kept["births"]]
        except (BadInput, KeyError, TypeError, ValueError):
            return f"with a damaged {header.name}"
        for name, word in _WORDS.items():
            if kept.get(name) != self.header[name]:
                return word
        pairs = zip(before, self.header["births"], strict=True)
        same = all(math.isclose(*pair, rel_tol=_SAME_LOSS, abs_tol=1e-12) for pair in pairs)
        return "" if same else "with another loss or other data"


def header_of(
    minima: Sequence[Mapping[str, Tensor]],
    births: Sequence[float],
    level: float | None,
    symmetry: object,
    options: object,
) -> dict[str, Any]:
    """What tells one census from another."""
    return {
        "minima": digest(minima),
        "births": plain(list(births)),
        "level": level,
        "symmetry": symmetry and hashlib.sha256(_text(symmetry).encode()).hexdigest(),
        "options": " ".join(words(options)),
    }


def digest(minima: Sequence[Mapping[str, Tensor]]) -> str:
    """SHA-256 of names, shapes, dtypes and numbers, in order."""
    found = hashlib.sha256()
    for minimum in minima:
        for name, tensor in minimum.items():
            held = tensor.detach().cpu().contiguous()
            found.update(f"{name} {tuple(held.shape)} {held.dtype} ".encode())
            found.update(held.flatten().view(torch.uint8).numpy().data)
    return found.hexdigest()


def words(options: object) -> Iterator[str]:
    """An object with its options in words that do not change from run to run.

    Fields of dataclasses that are not shown (`repr=False`: data, losses) do not count.
    """
    if dataclasses.is_dataclass(options) and not isinstance(options, type):
        yield type(options).__qualname__
        for field in dataclasses.fields(options):
            if field.repr:
                yield field.name
                yield from words(getattr(options, field.name))
    elif isinstance(options, Mapping):
        yield from words(sorted(options.items()))
    elif isinstance(options, tuple | list):
        for option in options:
            yield from words(option)
    elif isinstance(options, partial):
        yield from words((options.func, options.args, sorted(options.keywords.items())))
    elif isinstance(options, str | int | float | None):
        yield repr(options)
    else:
        yield getattr(options, "__qualname__", type(options).__qualname__)


def _meeting(file: Path) -> Meeting:
    try:
        return Meeting.from_json(_read(file))
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(file) from error


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(file) from error


def _damaged(file: Path) -> BadInput:
    return BadInput(f"{file} is damaged or no part of a census", "delete it, and it is made anew")


def _text(data: object) -> str:
    return json.dumps(data, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
