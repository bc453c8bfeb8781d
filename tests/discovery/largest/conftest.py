"""The one mechanism behind every row of the table of operators: its group is the largest there is.

Each row names the group that discovery finds at one axis of one parameter, and moves parameters by
hand, with no rep in between: an element of the group keeps the function to 1e-9, an element of the
next larger group changes it by more than 1e-3. So no wider claim could be true.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Literal, TypeAlias

import pytest
import torch
from torch import Tensor, nn

from isthmus.algebra.symmetry import Params, Symmetry
from isthmus.discovery import discover, verify
from isthmus.discovery.evaluation import Inputs, run
from isthmus.discovery.verify import relative_change
from isthmus.ground.certificates import Verdict
from isthmus.ground.params import params_of
from isthmus.testing.zoo import randomise

PLACE = re.compile(
    r"(?P<name>[\w.]+):(?P<dim>\d)(\+(?P<start>\d+))?(\*(?P<block>\d+))?(\^(?P<power>\d))?"
)

Move: TypeAlias = "str | Callable[[Params], None] | tuple[Move, ...]"
"""A word for an element at the row's places (`element`), a function, or several in turn."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A module written as a function, and its input: a shape, or the tensor itself."""

    forward: Callable[..., Any]
    parts: dict[str, Any]
    example: tuple[int, ...] | Tensor = (5, 6)
    gauge: Literal["folded", "asis"] = "asis"


@dataclass(frozen=True)
class Row:
    """One row of the table: a module, the group found at a place of it, and what that may do.

    Places are ``name:dim``, with ``+k`` where the coordinates begin at k, ``*n`` where each is a
    block of n, and ``^p`` where scales act p times. ``along`` feel swaps only. ``carried`` says
    with which factor a scale or sign comes out of an activation. The group is the one at ``at``,
    or else at the first writer. What is ``missed`` keeps the function, too, though it is in no
    group that discovery finds: there its claim is true, but too small.
    """

    of: Subject
    group: str
    keeps: tuple[Move, ...]
    breaks: tuple[Move, ...]
    writers: str = ""
    readers: str = ""
    along: str = ""
    carried: Callable[[Tensor], Tensor] = torch.clone
    size: int = 8
    at: str = ""
    missed: tuple[Move, ...] = ()


@dataclass(frozen=True)
class Study:
    """What is known of a subject: the model in float64, its symmetry and what it computes."""

    model: nn.Module
    symmetry: Symmetry
    params: Params
    inputs: Inputs
    outputs: list[Tensor]

    def change(self, params: Params) -> float:
        """How much other parameters change the function."""
        return relative_change(self.outputs, run(self.model, params, self.inputs))

    def spaces(self, place: str) -> list[str]:
        """The spaces that act at a place, outer ones first."""
        where = PLACE.match(place)
        assert where
        dim, start = int(where["dim"]), int(where["start"] or 0)
        rep = self.symmetry.reps[where["name"]]
        block = max((b for b in rep.blocks if b.start[dim] <= start), key=lambda b: b.start[dim])
        found = {factor.space for factor in block.axes[dim]}
        return [name for name in self.symmetry.spaces if name in found]

    def group(self, place: str) -> str:
        """The groups at a place, ``≀`` for indexed ones."""
        spaces = [self.symmetry.spaces[name] for name in self.spaces(place)]
        return " × ".join(f"{s.group}{'≀' if s.over else ''}" for s in spaces) or "1"


@pytest.fixture(scope="session")
def study(tools: SimpleNamespace) -> Callable[[Subject], Study]:
    """Each subject is built, typed and verified once, however many rows there are of it."""
    known: dict[Subject, Study] = {}

    def of(subject: Subject) -> Study:
        if subject not in known:
            known[subject] = _studied(tools, subject)
        return known[subject]

    return of


def _studied(tools: SimpleNamespace, subject: Subject) -> Study:
    model = randomise(tools.written(subject.forward, **subject.parts), seed=3).double()
    example = subject.example
    if not isinstance(example, Tensor):
        example = 3 * torch.randn(example, generator=torch.Generator().manual_seed(2)).double()
    symmetry = discover(model, example, gauge=subject.gauge)
    for scale in (0.1, 1.0):
        certificate = verify(symmetry, model, example, samples=4, scale=scale)
        assert certificate.verdict is Verdict.TESTED, f"{certificate}\n{symmetry}"
    params = params_of(model)
    inputs = ((example,), {})
    return Study(model, symmetry, params, inputs, run(model, params, inputs))


@pytest.fixture
def largest(study: Callable[[Subject], Study]) -> Callable[[Row], None]:
    """Checks one row, both ways."""

    def check(row: Row) -> None:
        known = study(row.of)
        place = row.at or row.writers.split()[0]
        assert known.group(place) == row.group, f"{known.symmetry:full}"
        here = known.spaces(place)
        alone = known.symmetry.restrict(lambda space: space.name in here)
        drawn = [known.change(alone.act(alone.sample(s), known.params)) for s in range(2)]
        assert max(drawn) <= 1e-9
        kept = [known.change(moved(row, known.params, move)) for move in row.keeps + row.missed]
        assert all(change <= 1e-9 for change in kept), kept
        broken = [known.change(moved(row, known.params, move)) for move in row.breaks]
        assert broken
        assert all(change > 1e-3 for change in broken), broken

    return check


def moved(row: Row, params: Params, move: Move) -> Params:
    """The parameters under a move."""
    out = {name: tensor.clone() for name, tensor in params.items()}
    for step in move if isinstance(move, tuple) else (move,):
        if isinstance(step, str):
            _move(row, out, step)
        elif isinstance(step, tuple):
            out = moved(row, out, step)
        else:
            step(out)
    return out


def _move(row: Row, out: Params, word: str) -> None:
    """Move by an element at the row's places; ``only`` leaves the readers as they are."""
    matrix = element(word.removeprefix("only "), row.size)
    _apply(out, row.writers, matrix)
    if not word.startswith("only "):
        carried = torch.where(matrix == 0, 0.0, row.carried(matrix))
        carried = torch.where(carried == 0, matrix, carried)
        _apply(out, row.readers, torch.linalg.inv(carried).T)
    if "swap" in word:
        _apply(out, row.along, matrix)


def element(word: str, size: int) -> Tensor:
    """The matrix of a move: ``swap 0 1``, ``flip 0``, ``stretch 0 2``, ``turn 0 1``, ``shear 0 1``;
    several coordinates at once as ``stretch 0,2``, whole blocks as ``swap 0,1 2,3``."""
    name, *rest = word.split()
    places = [[int(k) for k in part.split(",")] for part in rest] or [[0], [1]]
    matrix = torch.eye(size, dtype=torch.float64)
    first = places[0]
    if name in ("flip", "stretch"):
        matrix[first, first] = -1.0 if name == "flip" else 2.0
        return matrix
    second = places[1]
    if name == "swap":
        matrix[[*first, *second]] = matrix[[*second, *first]]
    elif name == "shear":
        matrix[first, second] = 0.7
    elif name == "turn":
        matrix[first, first] = matrix[second, second] = 0.6
        matrix[first, second], matrix[second, first] = 0.8, -0.8
    return matrix


def _apply(params: Params, places: str, matrix: Tensor) -> None:
    for place in PLACE.finditer(places):
        name, dim = place["name"], int(place["dim"])
        whole = torch.kron(matrix, torch.eye(int(place["block"] or 1), dtype=matrix.dtype))
        whole = whole ** int(place["power"] or 1)
        part = params[name].narrow(dim, int(place["start"] or 0), len(whole))
        part.copy_(torch.tensordot(whole, part, dims=([1], [dim])).movedim(0, dim))


def added(value: float | Tensor, *names: str, only: slice = slice(None)) -> Move:
    """A number, or a vector, added to (some of) each of these."""

    def move(params: Params) -> None:
        for name in names:
            params[name][only] += value

    return move


def common(*names: str, dim: int = 0) -> Move:
    """What is the same along one dimension, added to each."""

    def move(params: Params) -> None:
        for name in names:
            shape = [1 if d == dim else n for d, n in enumerate(params[name].shape)]
            params[name] += torch.randn(shape, generator=torch.Generator().manual_seed(2)).double()

    return move


def shift(*names: str, into: str = "", at: slice = slice(None)) -> Move:
    """A vector added to biases and taken from those of the layers ``into`` that read them."""

    def move(params: Params) -> None:
        for name in names:
            vector = torch.zeros_like(params[name])
            vector[at] = torch.linspace(0.5, 2.0, len(vector[at])).double()
            params[name] += vector
        for reader in into.split():
            weight = params[f"{reader}.weight"]
            params[f"{reader}.bias"] -= weight.reshape(*weight.shape[:2], -1).sum(2) @ vector

    return move


def scaled(factor: float, *names: str, only: slice = slice(None)) -> Move:
    """(Some of) each of these, times a number."""

    def move(params: Params) -> None:
        for name in names:
            params[name][only] *= factor

    return move
