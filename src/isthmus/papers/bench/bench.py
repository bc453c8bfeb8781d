"""Bench: the folder in which an experiment works, and the steps that are done there once."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from safetensors import safe_open

from isthmus.ground import BadCheckpoint, BadInput, OutputExists, Params, atomic_write, load, save
from isthmus.papers.bench.environment import environment

Tell: TypeAlias = "Callable[[str, int, int], None]"
"""Called with what is being done, and with how many parts are done of how many."""

MARK = "experiment.json"
"""The first file in the folder: which experiment, at which scale, from which seed."""


def silent(what: str, done: int, total: int) -> None:
    """A `Tell` that says nothing."""


@dataclass(frozen=True)
class Bench:
    """Where an experiment works.

    Each step of the work (a trained model, the scores of a pair) is a file in ``folder / "steps"``,
    written whole when it is done. A run that was interrupted, run again, skips what is there.

    Attributes:
        folder: Where.
        seed: From which every random choice follows.
        workers: Processes among which independent parts are shared out.
        tell: What progress is told to.
    """

    folder: Path
    seed: int = 0
    workers: int = 1
    tell: Tell = field(default=silent, compare=False)

    @classmethod
    def open(cls, folder: Path, mark: Mapping[str, Any], *, force: bool = False) -> Bench:
        """The bench in a folder that is new, or holds the same experiment with the same settings.

        Args:
            folder: Where; made if it is not there.
            mark: What tells the experiment from others, plain data; its ``seed`` is the bench's.
            force: Begin anew where the folder holds another experiment.

        Raises:
            OutputExists: The folder holds files that are no experiment's.
            BadInput: It holds another experiment, and ``force`` is false.
            CannotWrite: The system refuses.
        """
        text = json.dumps(mark, indent=2, sort_keys=True) + "\n"
        place = folder / MARK
        held = place.read_text("utf-8") if place.is_file() else None
        if held != text:
            if held is None and folder.exists() and any(folder.iterdir()):
                raise OutputExists(
                    f"{folder} holds files that are no experiment's", "choose another folder"
                )
            if held is not None and not force:
                raise BadInput(
                    f"{folder} holds an experiment with other settings ({_apart(held, mark)})",
                    "choose another folder, or begin anew with force (--force)",
                )
            for name in ("steps", "trainings") if held is not None else ():
                shutil.rmtree(folder / name, ignore_errors=True)
            atomic_write(place, text)
        return cls(folder, int(mark["seed"]))

    def step(self, name: str, work: Callable[[], Params]) -> Params:
        """What ``work()`` returns: from the file of this name where it is there, else done now.

        Args:
            name: Letters, digits, points and dashes; its own within the experiment, and the same
                in every run.
            work: Without arguments; the tensors that it returns are stored.

        Raises:
            BadInput: The name cannot be a file's.
            BadCheckpoint: The file is there and damaged.
            CannotWrite: The system refuses.
        """
        file = self._file(name)
        if file.exists():
            try:
                return load(file)
            except BadCheckpoint as error:
                raise BadCheckpoint(error.cause, "delete it, and run again to redo it") from error
        begun = time.perf_counter()
        found = work()
        facts = {"seconds": f"{time.perf_counter() - begun:.3f}", **environment()}
        save(found, file, metadata={"format": "pt", **facts})
        return found

    def has(self, name: str) -> bool:
        """Whether a step is done."""
        return self._file(name).exists()

    @property
    def seconds(self) -> float:
        """What all steps took together, whenever and on however many processes they were done."""
        total = 0.0
        for file in sorted((self.folder / "steps").glob("*.safetensors")):
            with safe_open(file, framework="pt") as step:
                total += float((step.metadata() or {}).get("seconds", 0))
        return total

    def training(self, name: str) -> Path:
        """Where the state of a training may be kept until its step is done."""
        place = self.folder / "trainings" / self._file(name).name
        return place.with_suffix(".pt")

    def _file(self, name: str) -> Path:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", name):
            raise BadInput(
                f"a step is called {name!r}", "name steps by letters, digits, points and dashes"
            )
        return self.folder / "steps" / f"{name}.safetensors"


def _apart(held: str, mark: Mapping[str, Any]) -> str:
    """What differs, in words."""
    try:
        other = dict(json.loads(held))
    except ValueError:
        return f"{MARK} is damaged"
    names = [
        n for n in (*mark, *(n for n in other if n not in mark)) if mark.get(n) != other.get(n)
    ]
    return ", ".join(
        f"{n} {other.get(n)!r}" if isinstance(other.get(n), int | str) else n for n in names
    )
