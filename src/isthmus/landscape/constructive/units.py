"""Units of a hidden space: what is written into them, and what reads them.

A symmetry says where a space acts. Axes on which it acts as it is hold what a unit is computed from
(its rows: weights, bias, statistics); dual axes hold what its value is multiplied with (its
columns). Two units with the same rows have the same value, and nothing sees a unit without columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from isthmus.algebra import Symmetry
from isthmus.algebra.groups import AbstractMonomial
from isthmus.algebra.reps import Block
from isthmus.ground import BadInput, Params, closest


class Units:
    """The units of one space, in linear coordinates (`Symmetry.coordinates`).

    Their values must reach the outputs through their columns only. That is so where an operator
    acts on each unit by itself, as activations and batch norms do; a norm over the space would
    see a unit without columns, and the symmetry cannot tell.

    Args:
        symmetry: The group and its action.
        space: The name of a space of which units may be swapped.

    Raises:
        BadInput: There is no such space, its units cannot be swapped, or nothing reads them.
    """

    def __init__(self, symmetry: Symmetry, space: str) -> None:
        if space not in symmetry.spaces:
            near = closest(space, symmetry.spaces)
            raise BadInput(
                f"the symmetry has no space {space!r}",
                f"did you mean {near!r}?"
                if near
                else f"use one of {', '.join(symmetry.spaces) or 'none'}",
            )
        self.space = symmetry.spaces[space]
        self.size = self.space.size
        group = self.space.group
        if not isinstance(group, AbstractMonomial) or not group.swaps or self.space.over:
            raise BadInput(
                f"{self.space} has no units that can be swapped freely",
                "name a space with a permutation group of its own, as of a hidden layer",
            )
        self._places = symmetry.occurrences(space)
        if not any(self._dual(place) for place in self._places):
            raise BadInput(
                f"no parameter reads {space}: it has no dual axis",
                "name a space whose units are multiplied with weights",
            )

    def check(self, *units: int) -> None:
        """Raise BadInput unless all are numbers of units, none twice."""
        for unit in units:
            if not 0 <= unit < self.size:
                raise BadInput(
                    f"{self.space} has no unit {unit}", f"give numbers from 0 to {self.size - 1}"
                )
        if len(set(units)) < len(units):
            raise BadInput(f"unit {units[0]} is given twice", "give different units")

    def copied(self, x: Mapping[str, Tensor], source: Sequence[int], to: Sequence[int]) -> Params:
        """With the rows of ``to`` those of ``source``."""

        def copy(block: Tensor, dim: int) -> Tensor:
            rows = block.index_select(dim, torch.tensor(source))
            return block.index_copy(dim, torch.tensor(to), rows)

        return self._changed(x, copy, dual=False)

    def shifted(
        self, x: Mapping[str, Tensor], source: Sequence[int], to: Sequence[int], share: float = 1.0
    ) -> Params:
        """With this share of the columns of ``source`` taken from them and added to ``to``."""

        def shift(block: Tensor, dim: int) -> Tensor:
            given = share * block.index_select(dim, torch.tensor(source))
            block = block.index_add(dim, torch.tensor(to), given)
            return block.index_add(dim, torch.tensor(source), given, alpha=-1)

        return self._changed(x, shift, dual=True)

    def exchanged(self, x: Mapping[str, Tensor], one: int, two: int) -> Params:
        """With the columns of two units exchanged."""
        order = torch.arange(self.size)
        order[[one, two]] = torch.tensor([two, one])
        return self._changed(x, lambda block, dim: block.index_select(dim, order), dual=True)

    def reordered(self, x: Mapping[str, Tensor], order: Sequence[int]) -> Params:
        """With the rows and columns of unit ``order[k]`` at k."""

        def select(block: Tensor, dim: int) -> Tensor:
            return block.index_select(dim, torch.tensor(order))

        return self._changed(self._changed(x, select, dual=False), select, dual=True)

    def thinned(self, x: Mapping[str, Tensor], kept: Sequence[int], factor: float) -> Params:
        """With the columns of the kept units multiplied by ``factor``, and all others zero."""
        weight = torch.zeros(self.size, dtype=torch.float64)
        weight[torch.tensor(kept)] = factor

        def scale(block: Tensor, dim: int) -> Tensor:
            shape = [-1 if d == dim else 1 for d in range(block.dim())]
            return block * weight.to(block.dtype).view(shape)

        return self._changed(x, scale, dual=True)

    def rows_of(self, x: Mapping[str, Tensor], units: Sequence[int]) -> dict[str, Tensor]:
        """By parameter, True where an entry is in a row of these units."""
        empty = {name: torch.zeros_like(tensor, dtype=torch.bool) for name, tensor in x.items()}
        where = torch.tensor(units, dtype=torch.int64)
        return self._changed(empty, lambda b, dim: b.index_fill(dim, where, True), dual=False)

    def sizes(self, x: Mapping[str, Tensor], *, dual: bool) -> Tensor:
        """The norms of all rows, or of all columns, ``(size,)``."""
        total = torch.zeros(self.size, dtype=torch.float64)
        for block, dim in self._read(x, dual=dual):
            total += block.double().square().movedim(dim, 0).reshape(self.size, -1).sum(1)
        return total.sqrt()

    def gap(self, x: Mapping[str, Tensor], one: int, two: int) -> float:
        """The largest difference between the rows of two units."""
        rows = [(b.select(d, one), b.select(d, two)) for b, d in self._read(x, dual=False)]
        return max((float((a - b).abs().max()) for a, b in rows), default=0.0)

    def reads(self, name: str) -> bool:
        """Whether a parameter has columns of these units."""
        return any(self._dual(place) for place in self._places if place[0] == name)

    def writes(self, name: str) -> bool:
        """Whether a parameter has rows of these units."""
        return any(not self._dual(place) for place in self._places if place[0] == name)

    def _changed(
        self, x: Mapping[str, Tensor], change: Callable[[Tensor, int], Tensor], *, dual: bool
    ) -> Params:
        out = dict(x)
        for place in self._places:
            name, block, dim = place
            if self._dual(place) is dual:
                whole = out[name].clone()
                block.write(whole, change(block.read(whole), dim))
                out[name] = whole
        return out

    def _read(self, x: Mapping[str, Tensor], *, dual: bool) -> Iterator[tuple[Tensor, int]]:
        for place in self._places:
            if self._dual(place) is dual:
                yield place[1].read(x[place[0]]), place[2]

    @staticmethod
    def _dual(place: tuple[str, Block, int]) -> bool:
        _, block, dim = place
        return block.factors[dim].character.dual
