"""The outline of a network: its parameters as rows, repeated blocks once, from the reps alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from isthmus.algebra import Symmetry
from isthmus.algebra.folding import Entry, Run, name_of
from isthmus.algebra.spaces import Axis, leaves

Path: TypeAlias = "tuple[str, ...]"


@dataclass(frozen=True, slots=True)
class Row:
    """A matrix and the vectors of its module beside it; ``title`` is the module in its block."""

    title: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """Rows that repeat ``count`` times; the rows are those of the first."""

    title: str
    count: int
    parts: tuple[Row | Block, ...]


@dataclass
class Outline:
    """The rows of a symmetry in order, and which spaces stand for which."""

    symmetry: Symmetry
    parts: tuple[Row | Block, ...] = ()
    stands: dict[Path, str] = field(default_factory=dict)

    @classmethod
    def of(cls, symmetry: Symmetry, order: Sequence[str] = ()) -> Outline:
        """Fold the blocks that are equal up to their number.

        Args:
            symmetry: whose parameters.
            order: their names in the order of the program; those left out follow.
        """
        made = cls(symmetry)
        rank = {name: k for k, name in enumerate(order)}
        names = sorted(symmetry.reps, key=lambda name: rank.get(name, len(rank)))
        modules: dict[str, int] = {}
        for name in names:
            modules.setdefault(name.rpartition(".")[0] or name, len(modules))
        names.sort(  # vectors after the matrix that they stand beside
            key=lambda n: (modules[n.rpartition(".")[0] or n], len(symmetry.reps[n].axes) < 2)
        )
        # What holds no numbers that anything acts on (a count of batches) is not drawn.
        drawn = [name for name in names if symmetry.reps[name].axes]
        made.parts = made._parts(drawn, ())
        return made

    def shown(self, space: str) -> str:
        """The space of the first block that stands for this one."""
        path: Path = ()
        for part in space.split("."):
            path = (*path, self.stands.get((*path, part), part))
        return ".".join(path)

    def _parts(self, names: Sequence[str], prefix: Path) -> tuple[Row | Block, ...]:
        """Rows and blocks of these parameters, which all lie below ``prefix``."""
        lists: dict[Path, dict[str, list[str]]] = {}
        order: list[str | Path] = []
        for name in names:
            found = _numbered(name, len(prefix))
            if found is None:
                order.append(name)
                continue
            if found[0] not in lists:
                order.append(found[0])
            lists.setdefault(found[0], {}).setdefault(found[1], []).append(name)
        out: list[Row | Block] = []
        plain: list[str] = []
        for item in order:
            if isinstance(item, str):
                plain.append(item)
                continue
            out += self._rows(plain, prefix)
            plain = []
            out += self._list(item, lists[item], prefix)
        return (*out, *self._rows(plain, prefix))

    def _list(self, path: Path, children: dict[str, list[str]], prefix: Path) -> list[Row | Block]:
        """The numbered children of one module, equal neighbours folded."""
        out: list[Row | Block] = []
        groups: list[tuple[list[str], list[Run]]] = []
        for number, names in children.items():
            entries = [self._entry(name) for name in names]
            if not groups or not _joins(groups[-1][1], entries):
                groups.append(([], [Run() for _ in entries]))
            groups[-1][0].append(number)
            for run, entry in zip(groups[-1][1], entries, strict=True):
                run.takes(entry)
        for numbers, runs in groups:
            first = (*path, numbers[0])
            for number in numbers[1:]:
                self.stands[(*path, number)] = numbers[0]
            inside = children[numbers[0]]
            if len(numbers) == 1:
                out += self._below(inside, first, prefix)
                continue
            title = ".".join(name_of(runs[0]).split(".")[len(prefix) : len(first)])
            out.append(Block(title, len(numbers), self._parts(inside, first)))
        return out

    def _below(self, names: list[str], first: Path, prefix: Path) -> list[Row | Block]:
        """The parts of a block of which there is one: no frame, its number in the titles."""
        lead = ".".join(first[len(prefix) :])

        def titled(part: Row | Block) -> Row | Block:
            title = f"{lead}.{part.title}" if part.title else lead
            if isinstance(part, Row):
                return Row(title, part.names)
            return Block(title, part.count, part.parts)

        return [titled(part) for part in self._parts(names, first)]

    def _entry(self, name: str) -> Entry:
        """The parameter as an entry to fold: its rep, and the groups of its spaces."""
        spaces = self.symmetry.spaces
        rep = self.symmetry.reps[name]
        groups = " ".join(str(spaces[space].group) for space in rep.spaces)
        entry = Entry.of(name, rep.text(spaces), spaces.__contains__)
        shape = (*entry.shape, groups)
        return Entry(name, shape, entry.numbers, entry.slots, entry.letters)

    def _rows(self, names: Sequence[str], prefix: Path) -> list[Row]:
        """One row for each matrix; vectors of a module join the matrix with the same rows."""
        rows: list[Row] = []
        at: dict[str, list[int]] = {}
        for name in names:
            module = ".".join(name.split(".")[len(prefix) : -1])
            rep = self.symmetry.reps[name]
            title = module if module or prefix else name
            hosts = at.setdefault(title, [])
            if len(rep.axes) == 1:
                host = next((k for k in hosts if self._fits(rows[k].names[0], name)), None)
                if host is not None:
                    rows[host] = Row(rows[host].title, (*rows[host].names, name))
                    continue
            hosts.append(len(rows))
            rows.append(Row(title, (name,)))
        return rows

    def _fits(self, host: str, vector: str) -> bool:
        """Whether a vector lies along an axis of what is there."""

        def made_of(axis: Axis) -> list[tuple[str | None, int]]:
            return [(factor.space, factor.size) for factor in leaves(axis)]

        along = made_of(self.symmetry.reps[vector].axes[0])
        return any(made_of(axis) == along for axis in self.symmetry.reps[host].axes[:2])


def _joins(runs: Sequence[Run], entries: Sequence[Entry]) -> bool:
    """Whether a block goes on as those before it, in every parameter."""
    return len(runs) == len(entries) and all(
        run.entries[0].shape == entry.shape and all(run.modes_with(entry))
        for run, entry in zip(runs, entries, strict=True)
    )


def _numbered(name: str, start: int) -> tuple[Path, str] | None:
    """The first list in a name and the number in it, after so many parts; None without one."""
    parts = tuple(name.split("."))
    at = next((k for k in range(start, len(parts)) if parts[k].isdigit()), None)
    return None if at is None else (parts[:at], parts[at])
