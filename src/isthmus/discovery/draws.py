"""Further random inputs like an example: floats normal, integers from the range that is allowed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from isthmus.algebra.groups import FLOAT
from isthmus.discovery.capture import Example, as_inputs
from isthmus.discovery.evaluation import Inputs, double_inputs
from isthmus.discovery.program import Op, Program, Ref

MOVING = frozenset(
    {"view", "reshape", "_unsafe_view", "flatten", "unflatten", "unsqueeze", "squeeze"}
    | {"to", "_to_copy", "type_as", "clone", "alias", "contiguous", "detach", "lift_fresh_copy"}
    | {"slice", "select", "narrow", "split", "split_with_sizes", "chunk", "unbind", "cat", "stack"}
    | {"expand", "expand_as", "repeat", "transpose", "permute", "t", "flip", "roll"}
)
"""Operators whose results hold the numbers that they are given."""


WIDTHS = (1.0, 3.0)
"""Float inputs are drawn this wide in turn: a unit that is always on for small ones turns off."""


def draws(program: Program, example: Example, generator: torch.Generator) -> Iterator[Inputs]:
    """The example itself, then random inputs of its shapes and types, without end.

    Integers that choose rows of a table are dealt like cards, so that every row soon has its
    turn; others lie between the example's own least and greatest. Booleans, and whatever is not
    a tensor, stay.
    """
    yield double_inputs(example, generator)
    args, kwargs = as_inputs(example)
    names = _names(program, args, kwargs)
    decks = {
        name: _Deck(rows, generator)
        for name in names.values()
        if (rows := _table_rows(program, name))
    }

    def fresh(place: Any, value: Any, width: float) -> Any:
        if isinstance(value, (list, tuple)):
            return type(value)(fresh((place, k), v, width) for k, v in enumerate(value))
        if not isinstance(value, Tensor) or value.dtype is torch.bool:
            return value
        deck = decks.get(names.get(place, ""))
        made = _fresh(value, generator) if deck is None else deck.deal(value)
        return made * width if made.is_floating_point() else made

    for width in itertools.cycle(WIDTHS):
        yield (
            tuple(fresh(k, value, width) for k, value in enumerate(args)),
            {name: fresh(name, value, width) for name, value in kwargs.items()},
        )


class _Deck:
    """All rows of a table in random order, again and again."""

    def __init__(self, rows: int, generator: torch.Generator) -> None:
        self._rows, self._generator = rows, generator
        self._left = torch.zeros(0, dtype=torch.int64)

    def deal(self, like: Tensor) -> Tensor:
        """The next rows, of this shape and type."""
        while len(self._left) < like.numel():
            more = torch.randperm(self._rows, generator=self._generator)
            self._left = torch.cat([self._left, more])
        dealt, self._left = self._left[: like.numel()], self._left[like.numel() :]
        return dealt.reshape(like.shape).to(like.dtype)


def _fresh(value: Tensor, generator: torch.Generator) -> Tensor:
    if value.is_floating_point():
        noise = torch.randn(value.shape, generator=generator, dtype=FLOAT)
        known = value.device.type != "meta" and value.numel() > 0
        # What is never negative may have to be so: under a root or a logarithm.
        return noise.abs() if known and bool(value.any()) and bool((value >= 0).all()) else noise
    if value.is_complex():
        return torch.randn(value.shape, generator=generator, dtype=torch.complex128)
    low, high = int(value.min()), int(value.max()) + 1
    return torch.randint(low, high, value.shape, generator=generator, dtype=value.dtype)


def _names(program: Program, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[Any, str]:
    """The program's name of every tensor among the inputs, by its place."""
    places: list[Any] = []

    def collect(place: Any, value: Any) -> None:
        if isinstance(value, Tensor):
            places.append(place)
        elif isinstance(value, (list, tuple)):
            for k, item in enumerate(value):
                collect((place, k), item)

    for k, value in enumerate(args):
        collect(k, value)
    for name, value in kwargs.items():
        collect(name, value)
    known = {place: place for place in places if place in program.inputs}
    left = [name for name in program.inputs if name not in known]
    others = [place for place in places if place not in known]
    return {**known, **dict(zip(others, left, strict=False))}


def _table_rows(program: Program, name: str) -> int | None:
    """How many rows the smallest table has in which an input's numbers are looked up."""
    same, found = {name}, []
    for op in program.ops:
        read = {ref.name for ref in op.refs()} & same
        if not read:
            continue
        if op.target in MOVING:
            same.update(op.outputs)
        else:
            found += [rows for rows in [_rows(program, op, read)] if rows is not None]
    return min(found, default=None)


def _rows(program: Program, op: Op, read: set[str]) -> int | None:
    """The size of the dimension in which this operator looks the numbers up, if it does."""

    def is_read(value: Any) -> bool:
        return isinstance(value, Ref) and value.name in read

    given = op.arguments
    if op.target in ("embedding", "embedding_bag") and is_read(given["indices"]):
        return _sizes(program, given["weight"])[0]
    if op.target in ("index_select", "gather") and is_read(given["index"]):
        return _sizes(program, given["self"])[int(given["dim"])]
    if op.target == "index":
        dims = [k for k, value in enumerate(given["indices"]) if is_read(value)]
        return min((_sizes(program, given["self"])[k] for k in dims), default=None)
    if op.target == "one_hot" and given["num_classes"] > 0:
        return int(given["num_classes"])
    return None


def _sizes(program: Program, ref: Ref) -> tuple[int, ...]:
    if ref.name in program.shapes:
        return program.shapes[ref.name].sizes
    made = {n: s for op in program.ops for n, s in zip(op.outputs, op.shapes, strict=True)}
    return made[ref.name].sizes
