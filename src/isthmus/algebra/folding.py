"""Folding: entries of a listing that differ only in the numbers inside their names become one.

``layers.0.up : layers.0 ⊗ stem*`` and ``layers.1.up : layers.1 ⊗ stem*`` fold to
``layers.{0…1}.up : layers.i ⊗ stem*``: what agrees stays, a number that goes along with the
entry's own is written ``i`` (``{i-1}`` where it lags behind), and a scale or sign that every
entry has for itself ``aᵢ``. Linear in the length of the listing.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

LETTERS, SUBSCRIPTS = "ijkl", "ᵢⱼₖₗ"
_OPEN_RUNS = 8
_TOKEN = re.compile(
    r"\^\((?P<scales>[^;)]*);(?P<flips>[^)]*)\)|`(?P<quoted>(?:[^`]|``)*)`"
    r"|(?P<name>\d+(?=[*^])|(?!\d+(?![^\s(){}*^+|⊗:`\[\]≀]))[^\s(){}*^+|⊗:`\[\]≀]+)"
)
_POWER = re.compile(r"([a-z]+)(-?\d*)")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a listing, taken apart: a name with its numbers, a body with its own."""

    name: str
    shape: tuple[str, ...]
    numbers: tuple[int, ...]
    slots: tuple[tuple[int, int], ...]
    letters: tuple[str, ...]

    @classmethod
    def of(cls, name: str, body: str, known: Callable[[str], bool]) -> Entry:
        """Take a line apart; ``known`` tells the names in the body from sizes and words."""
        parts, numbers = _numbers(name)
        shape, slots, letters, end = [parts], [], [], 0
        for match in _TOKEN.finditer(body):
            found = match["quoted"].replace("``", "`") if match["quoted"] else match["name"]
            if found is not None and not known(found):
                continue
            shape.append(body[end : match.start()])
            end = match.end()
            if found is None:
                text, inside = _felt(match[0])
                letters += inside
            else:
                text, inner = _numbers(found)
                slots += list(enumerate(inner))
            shape.append(text)
        shape.append(body[end:])
        return cls(name, tuple(shape), numbers, tuple(slots), tuple(letters))


def _numbers(name: str) -> tuple[str, tuple[int, ...]]:
    """A name with holes for the parts that are numbers, and these."""
    parts = name.split(".")
    at = [k for k, part in enumerate(parts) if part.isascii() and part.isdigit() and _plain(part)]
    numbers = tuple(int(parts[k]) for k in at)
    for k in at:
        parts[k] = "\0"
    return ".".join(parts), numbers


def _plain(part: str) -> bool:
    return part == "0" or not part.startswith("0")


def _felt(text: str) -> tuple[str, list[str]]:
    """A character with holes for its letters, and these."""
    letters = [match[1] for match in _POWER.finditer(text)]
    return _POWER.sub(lambda m: f"\1{m[2]}", text), letters


@dataclass(slots=True)
class Run:
    """Entries that fold into one."""

    entries: list[Entry] = field(default_factory=list)
    modes: list[int] = field(default_factory=list)

    def modes_with(self, entry: Entry) -> list[int]:
        """How each number in the body goes on with one more entry: 0 where it does not."""
        if not self.entries:
            return [_BOTH] * len(entry.slots)
        first = self.entries[0]
        return [
            mode & _modes(a, b, first.numbers, entry.numbers, place)
            for (place, a), (_, b), mode in zip(first.slots, entry.slots, self.modes, strict=True)
        ]

    def takes(self, entry: Entry) -> bool:
        """Whether the entry goes on as those before it; if so it is in."""
        modes = self.modes_with(entry)
        if all(modes):
            self.entries.append(entry)
            self.modes = modes
        return all(modes)


_STAYS, _GOES, _BOTH = 1, 2, 3


def _modes(a: int, b: int, first: Sequence[int], then: Sequence[int], place: int) -> int:
    goes = place < len(first) and b - a == then[place] - first[place]
    return _STAYS * (a == b) + _GOES * goes


def fold(entries: Iterable[Entry]) -> list[Run]:
    """The runs of a listing, each where its first entry stood."""
    open_runs: dict[tuple[str, ...], list[Run]] = {}
    runs: list[Run] = []
    for entry in entries:
        here = open_runs.setdefault(entry.shape, [])
        if not any(run.takes(entry) for run in here[-_OPEN_RUNS:]):
            here.append(Run())
            here[-1].takes(entry)
            runs.append(here[-1])
    return [box for run in runs for box in _boxes(run, 0)]


def _boxes(run: Run, place: int) -> list[Run]:
    """A run as runs whose numbers are all combinations of one set for each place."""
    if place + 1 >= len(run.entries[0].numbers):
        return [run]
    rows: dict[int, list[Entry]] = {}
    for entry in run.entries:
        rows.setdefault(entry.numbers[place], []).append(entry)
    alike: dict[tuple[tuple[int, ...], ...], list[Entry]] = {}
    for row in rows.values():
        alike.setdefault(tuple(e.numbers[place + 1 :] for e in row), []).extend(row)
    return [box for same in alike.values() for box in _boxes(Run(same, run.modes), place + 1)]


def name_of(run: Run, *, free: bool = False) -> str:
    """The name of all entries: ``layers.{0…31}.up``; ``layers.i.up`` where ``free``."""
    numbers = [sorted({e.numbers[k] for e in run.entries}) for k in range(_places(run))]
    letters = _letters(numbers)
    shown = [
        str(values[0]) if len(values) == 1 else letters[k] if free else f"{{{ranges(values)}}}"
        for k, values in enumerate(numbers)
    ]
    return _fill(run.entries[0].shape[0], "\0", shown)


def body_of(run: Run) -> str:
    """The body of all entries, in the letters of their numbers."""
    first = run.entries[0]
    numbers = [sorted({e.numbers[k] for e in run.entries}) for k in range(_places(run))]
    letters = _letters(numbers)
    shown = []
    for (place, value), mode in zip(first.slots, run.modes, strict=True):
        # Where the entry's own number varies, what stays is no multiple of it: one mode is left.
        if mode & _STAYS or place not in letters:
            shown.append(str(value))
            continue
        lag = value - first.numbers[place]
        shown.append(f"{{{letters[place]}{lag:+d}}}" if lag else letters[place])
    felt = []
    for k, letter in enumerate(first.letters):
        alone = any(entry.letters[k] != letter for entry in run.entries)
        felt.append(
            letter + "".join(SUBSCRIPTS[LETTERS.index(x)] for x in letters.values()) * alone
        )
    body = _fill("".join(first.shape[1:]), "\0", shown)
    return _fill(body, "\1", felt)


def _places(run: Run) -> int:
    return len(run.entries[0].numbers)


def _letters(numbers: Sequence[Sequence[int]]) -> dict[int, str]:
    """A letter for every place whose number varies; the last serves for all that are too many."""
    places = [k for k, values in enumerate(numbers) if len(values) > 1]
    return {place: LETTERS[min(k, len(LETTERS) - 1)] for k, place in enumerate(places)}


def short_names(names: Sequence[str]) -> dict[str, str]:
    """For each name the shortest end of it, of whole parts, that ends no other."""
    ends: dict[str, int] = {}
    tails = {name: _tails(name) for name in names}
    for tail in (tail for of in tails.values() for tail in of):
        ends[tail] = ends.get(tail, 0) + 1
    return {name: next(t for t in of if ends[t] == 1 or t == name) for name, of in tails.items()}


def _tails(name: str) -> list[str]:
    parts = name.split(".")
    tails = [".".join(parts[k:]) for k in range(len(parts) - 1, -1, -1)]
    return [t for t in tails if t == name or (len(t.partition(".")[0]) > 1 and t[0].isalpha())]


def _fill(text: str, hole: str, values: Sequence[str]) -> str:
    pieces = text.split(hole)
    return "".join(p + v for p, v in zip(pieces, [*values, ""], strict=True))


def ranges(values: Sequence[int]) -> str:
    """Sorted numbers in short: ``0…31``, ``0,2…30``, ``0…4,6…10``."""
    steps = {b - a for a, b in itertools.pairwise(values)}
    if len(values) > 3 and len(steps) == 1 and steps != {1}:
        return f"{values[0]},{values[1]}…{values[-1]}"
    spans: list[list[int]] = []
    for value in values:
        if spans and value == spans[-1][1] + 1:
            spans[-1][1] = value
        else:
            spans.append([value, value])
    shown = [f"{a}" if a == b else f"{a}…{b}" if b > a + 1 else f"{a},{b}" for a, b in spans]
    return ",".join(shown if len(shown) <= 5 else [*shown[:3], "…", shown[-1]])
