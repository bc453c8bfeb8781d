"""Reps: the types of parameters, and the blocks on which a type is a plain product."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

import torch
from torch import Tensor

from isthmus.algebra.groups import Character
from isthmus.algebra.notation import axis_text, parse_axis, pieces
from isthmus.algebra.spaces import (
    Axis,
    Choice,
    Factor,
    Space,
    Sum,
    Term,
    axis_size,
    leaves,
    step_of,
)
from isthmus.ground.errors import BadInput

Stride: TypeAlias = "int | tuple[int, ...]"


@dataclass(frozen=True)
class Block:
    """A part of a parameter on which every axis is one product of factors.

    Along dimension d it holds the coordinates ``start[d] + Σ i_k strides[d][k]``; a stride
    that is a tuple lists, for each i_k, what it adds.
    """

    start: tuple[int, ...]
    axes: tuple[tuple[Factor, ...], ...]
    strides: tuple[tuple[Stride, ...], ...]

    @cached_property
    def factors(self) -> tuple[Factor, ...]:
        """All factors, dimension after dimension."""
        return tuple(factor for axis in self.axes for factor in axis)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """One dimension per factor."""
        return tuple(factor.size for factor in self.factors)

    @cached_property
    def numel(self) -> int:
        """How many entries of the parameter lie in the block."""
        return math.prod(self.shape)

    @cached_property
    def index(self) -> tuple[slice | Tensor, ...]:
        """Per dimension, where the block lies: a slice where it is contiguous."""
        return tuple(_index(*of) for of in zip(self.start, self.axes, self.strides, strict=True))

    def read(self, x: Tensor) -> Tensor:
        """The block of a parameter, in the shape `shape`."""
        for dim, where in enumerate(self.index):
            if isinstance(where, slice):
                x = x.narrow(dim, where.start, where.stop - where.start)
            else:
                x = x.index_select(dim, where)
        return x.reshape(self.shape)

    def write(self, out: Tensor, value: Tensor) -> None:
        """Put a block back."""
        sizes = [math.prod(f.size for f in axis) for axis in self.axes]
        where = [(torch.arange(w.start, w.stop) if isinstance(w, slice) else w) for w in self.index]
        if all(isinstance(w, slice) for w in self.index):
            out[self.index] = value.reshape(sizes)
        else:
            out[torch.meshgrid(*where, indexing="ij")] = value.reshape(sizes)


def _index(start: int, axis: Sequence[Factor], strides: Sequence[Stride]) -> slice | Tensor:
    sizes = [factor.size for factor in axis]
    packed = [math.prod(sizes[k + 1 :]) for k in range(len(sizes))]
    if all(s == p or n == 1 for s, p, n in zip(strides, packed, sizes, strict=True)):
        return slice(start, start + math.prod(sizes))
    index = torch.tensor([start])
    for size, stride in zip(sizes, strides, strict=True):
        steps = torch.tensor(stride) if isinstance(stride, tuple) else stride * torch.arange(size)
        index = (index.unsqueeze(-1) + steps).flatten()
    return index


@dataclass(frozen=True, slots=True)
class Absorbed:
    """``centre`` times the sum of another parameter over all but its first dimension.

    A sigmoid is odd about 1/2: a sign turned before it leaves a constant behind, which the bias
    of the layer that reads it absorbs.
    """

    centre: float
    source: str


@dataclass(frozen=True)
class Rep:
    """The type of a parameter: one axis per dimension.

    The action is linear once ``offset`` and ``absorbed`` are added (`Symmetry.linearised`): a
    BatchNorm variance feels the square of its channel's scale only together with epsilon.
    """

    axes: tuple[Axis, ...]
    offset: float = 0.0
    absorbed: tuple[Absorbed, ...] = ()

    @classmethod
    def of(cls, axes: Sequence[Axis], offset: float = 0.0) -> Rep:
        """A rep from its axes."""
        return cls(tuple(axes), offset)

    @property
    def shape(self) -> tuple[int, ...]:
        """The parameter's shape."""
        return tuple(axis_size(axis) for axis in self.axes)

    @cached_property
    def spaces(self) -> tuple[str, ...]:
        """The names of all spaces that occur, in order."""
        found = (f.space for axis in self.axes for f in leaves(axis))
        return tuple(dict.fromkeys(name for name in found if name is not None))

    @property
    def fixed(self) -> bool:
        """Whether nothing acts on the parameter."""
        return not self.spaces

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The parts on which every axis is a plain product; they tile the parameter."""
        return tuple(
            Block(*(tuple(part) for part in zip(*dims, strict=True))) if dims else Block((), (), ())
            for dims, _ in _dims(self.axes, {})
        )

    def recharacter(self, change: Callable[[Factor], Character]) -> Rep:
        """The same rep with other characters on the factors that are spaces."""

        return self._map(lambda f: f if f.space is None else replace(f, character=change(f)))

    def without(self, names: Container[str]) -> Rep:
        """The same rep with some spaces fixed."""
        return self._map(
            lambda f: Factor(f.size) if f.space is not None and f.space in names else f
        )

    def _map(self, change: Callable[[Factor], Factor]) -> Rep:
        def axis(terms: Axis) -> Axis:
            return tuple(
                change(t)
                if isinstance(t, Factor)
                else replace(t, parts=tuple(axis(part) for part in t.parts))
                for t in terms
            )

        return replace(self, axes=tuple(axis(a) for a in self.axes))

    def text(self, spaces: Mapping[str, Space]) -> str:
        """In the notation of `isthmus.algebra.spaces`."""
        body = " ⊗ ".join(axis_text(axis, spaces) for axis in self.axes) or "scalar"
        taken = "".join(f" & {a.centre!r} Σ {a.source}" for a in self.absorbed)
        return body + (f" - {self.offset!r}" if self.offset else "") + taken

    @classmethod
    def parse(cls, text: str, spaces: Mapping[str, Space]) -> Rep:
        """The inverse of `text`.

        Raises:
            BadInput: the text is not in the notation, or names a space that is not given.
        """
        head, *taken = pieces(text, " & ")
        body, *after = pieces(head, " - ")
        offset = " - ".join(after)
        columns = [] if body.strip() == "scalar" else pieces(body, "⊗")
        try:
            number = float(offset or 0)
            pairs = [part.split(" Σ ") for part in taken]
            absorbed = tuple(Absorbed(float(centre), source) for centre, source in pairs)
        except ValueError:
            raise BadInput(
                f"cannot read the offset {offset!r} of the rep {text!r}",
                "write it as in `fc - 1e-05` or `fc & 0.5 Σ fc.weight`",
            ) from None
        return cls(tuple(parse_axis(column, spaces) for column in columns), number, absorbed)


_Flat: TypeAlias = "tuple[int, tuple[Factor, ...], tuple[Stride, ...]]"


def _dims(
    axes: Sequence[Axis], chosen: Mapping[str, int]
) -> Iterator[tuple[list[_Flat], dict[str, int]]]:
    """Every consistent choice of one part in each sum, for all dimensions."""
    # Sums with labels are settled first, wherever they stand, so that choices know theirs.
    order = sorted(range(len(axes)), key=lambda d: not _labelled(axes[d]))

    def walk(k: int, made: dict[str, int]) -> Iterator[tuple[dict[int, _Flat], dict[str, int]]]:
        if k == len(order):
            yield {}, made
            return
        for flat, then in _flat(axes[order[k]], 1, made):
            for rest, last in walk(k + 1, then):
                yield {order[k]: flat, **rest}, last

    for found, made in walk(0, dict(chosen)):
        yield [found[d] for d in range(len(axes))], made


def _labelled(axis: Axis) -> bool:
    return any(
        isinstance(t, Sum) and (bool(t.label) or any(_labelled(p) for p in t.parts)) for t in axis
    )


def _flat(axis: Axis, stride: int, made: dict[str, int]) -> Iterator[tuple[_Flat, dict[str, int]]]:
    """The products that an axis is a disjoint union of: start, factors, strides."""
    steps = [stride * axis_size(axis[k + 1 :]) for k in range(len(axis))]
    # A choice may stand in front of its sum: sums with labels are settled first here too.
    order = sorted(range(len(axis)), key=lambda k: not _labelled(axis[k : k + 1]))

    def walk(k: int, made: dict[str, int]) -> Iterator[tuple[dict[int, _Flat], dict[str, int]]]:
        if k == len(order):
            yield {}, made
            return
        at = order[k]
        for start, factors, strides, then in _term(axis[at], steps[at], made):
            for rest, last in walk(k + 1, then):
                yield {at: (start, factors, strides), **rest}, last

    for found, then in walk(0, made):
        parts = [found[k] for k in range(len(axis))]
        start = sum(part[0] for part in parts)
        factors = tuple(factor for part in parts for factor in part[1])
        yield (start, factors, tuple(s for part in parts for s in part[2])), then


def _term(
    term: Term, stride: int, made: dict[str, int]
) -> Iterator[tuple[int, tuple[Factor, ...], tuple[Stride, ...], dict[str, int]]]:
    if isinstance(term, Factor):
        yield 0, (term,), (stride,), made
        return
    if isinstance(term, Choice):
        # Its sum may stand inside the choice of another dimension, and come later.
        known = made.get(term.label)
        for k in range(len(term.parts)) if known is None else (known,):
            assumed = {**made, term.label: k}
            for (start, factors, strides), then in _flat(term.parts[k], stride, assumed):
                yield start, factors, strides, then
        return
    for k, (part, places) in enumerate(zip(term.parts, term.spans(), strict=True)):
        if term.label and made.get(term.label, k) != k:
            continue
        chosen = {**made, term.label: k} if term.label else made
        step = step_of(places)
        if step is None:
            (factor,) = leaves(part)
            yield 0, (factor,), (tuple(stride * place for place in places),), chosen
            continue
        for (start, factors, strides), then in _flat(part, stride * step, chosen):
            yield places[0] * stride + start if places else start, factors, strides, then
