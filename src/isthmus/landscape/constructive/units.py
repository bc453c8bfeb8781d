"""The units of a space: the places that write them, the columns that read them, and their moves."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias, final

import torch
from torch import Tensor

from isthmus.algebra import Symmetry
from isthmus.algebra.reps import Block
from isthmus.ground import BadInput, Disconnected, Params, UnknownName
from isthmus.ground.errors import closest
from isthmus.landscape.constructive.apart import meeting

Pair: TypeAlias = "tuple[int, int]"
"""Two units of a space."""

ROOM = 64
"""How many rounding errors of its dtype two numbers may differ by and still count as the same."""


@final
@dataclass(frozen=True, eq=False)
class Place:
    """One dimension of a block along which the units of a space stand.

    Attributes:
        name: The parameter.
        block: The part of it.
        dim: The dimension, among the block's factors.
        reads: Whether columns that read the units stand here (a dual axis), not what writes them.
        inside: For each dimension of an outer space, the value at which the units live.
    """

    name: str
    block: Block
    dim: int
    reads: bool
    inside: Mapping[int, int]

    def read(self, coordinates: Mapping[str, Tensor]) -> Tensor:
        """Shape (units, ...): for each unit all that belongs to it here."""
        return self._units(self.block.read(coordinates[self.name]))

    def write(self, coordinates: Params, value: Tensor) -> None:
        """Put it back, into a new tensor."""
        whole = coordinates[self.name].clone()
        part = self.block.read(whole).clone()
        self._units(part).copy_(value)
        self.block.write(whole, part)
        coordinates[self.name] = whole

    def _units(self, part: Tensor) -> Tensor:
        """A view of a block with the units first."""
        at = tuple(self.inside.get(dim, slice(None)) for dim in range(part.dim()))
        return part[at].movedim(self.dim - sum(dim < self.dim for dim in self.inside), 0)


@final
@dataclass(frozen=True, eq=False)
class Units:
    """The units of one space of a symmetry, in the coordinates on which its group acts.

    Columns count as summed over: a model that changes weights before it reads with them, one by one
    (``exp(weight)``), breaks what is said of them here, and its symmetry does not show it.

    Args:
        symmetry: Of the model.
        space: The name of one of its spaces.
        inside: For a space that others index (the units in a head, in an expert), the value of each
            of those: which head.

    Raises:
        UnknownName: There is no such space.
        BadInput: ``inside`` does not fit the space.
        Disconnected: No group swaps the units, no column reads them, one place reads them twice, or
            they meet in an operator before they are read.
    """

    symmetry: Symmetry
    space: str
    inside: Sequence[int] = ()

    def __post_init__(self) -> None:
        known = self.symmetry.spaces
        if self.space not in known:
            near = closest(self.space, known)
            remedy = f"did you mean {near!r}?" if near else f"use one of {', '.join(known)}"
            raise UnknownName(f"the symmetry has no space {self.space!r}", remedy)
        batch = self.symmetry.batch(self.space)
        fits = len(self.inside) == len(batch)
        if not fits or any(not 0 <= k < n for k, n in zip(self.inside, batch, strict=True)):
            over = known[self.space].over
            wanted = ", ".join(f"{o} below {n}" for o, n in zip(over, batch, strict=True))
            raise BadInput(
                f"inside is {tuple(self.inside)}, expected {wanted or 'nothing'}",
                f"say inside which of {', '.join(over)} the units of {self.space} are"
                if over
                else f"no space indexes {self.space}",
            )
        self._require_exchange()

    def _require_exchange(self) -> None:
        """Raise unless units of the space can be swapped, are read in columns, and do not meet."""
        space, label = self.symmetry.spaces[self.space], f"units of {self.space!r}"
        eye = torch.eye(self.size, dtype=torch.float64)
        why_not = space.group.why_not(eye.roll(1, 0)) if self.size > 1 else "there is only one"
        if why_not is not None:
            raise Disconnected(
                f"{label} cannot be swapped in {space.group}: {why_not}",
                "choose a space that holds permutations",
            )
        if not self.columns:
            names = ", ".join(dict.fromkeys(place.name for place in self.rows))
            raise Disconnected(
                f"no parameter reads {label} in columns of its own; {names} move with them as one",
                "untie the weights, or choose a space that another weight reads",
            )
        twice = [p.name for p in self.columns if sum(q.block is p.block for q in self.columns) > 1]
        if twice:
            raise Disconnected(
                f"{twice[0]} reads {label} along two axes: it is not linear in what it reads",
                "choose a space that is read by linear operators",
            )
        meet = meeting(self.symmetry, space)
        if meet:
            raise Disconnected(
                f"{label} meet in {'; '.join(reason.where for reason in meet)}, or nothing shows "
                "that they do not: a unit that no weight reads may still be felt there",
                "choose a space whose units are alone until linear operators read them",
            )

    @property
    def size(self) -> int:
        """How many."""
        return self.symmetry.spaces[self.space].size

    @cached_property
    def _places(self) -> tuple[Place, ...]:
        outer = dict(zip(self.symmetry.spaces[self.space].over, self.inside, strict=True))
        found = []
        for name, block, dim in self.symmetry.occurrences(self.space):
            inside = {
                d: outer[str(f.space)] for d, f in enumerate(block.factors) if f.space in outer
            }
            found.append(Place(name, block, dim, block.factors[dim].character.dual, inside))
        return tuple(found)

    @cached_property
    def rows(self) -> tuple[Place, ...]:
        """Where the units are written: weights, biases, gains, statistics."""
        return tuple(place for place in self._places if not place.reads)

    @cached_property
    def columns(self) -> tuple[Place, ...]:
        """Where they are read."""
        return tuple(place for place in self._places if place.reads)

    def require(self, *units: int) -> None:
        """Raise BadInput unless these are different units of the space."""
        wrong = [k for k in units if not 0 <= k < self.size]
        if wrong or len(set(units)) < len(units):
            raise BadInput(
                f"units {', '.join(map(str, units))} of {self.space!r}, expected different numbers "
                f"from 0 to {self.size - 1}",
                "count units from zero, and name each once",
            )

    def mixed(
        self,
        coordinates: Mapping[str, Tensor],
        rows: Tensor | None = None,
        columns: Tensor | None = None,
    ) -> Params:
        """New coordinates: ``rows`` and ``columns``, (units, units), multiply the units' parts."""
        out = dict(coordinates)
        for matrix, places in ((rows, self.rows), (columns, self.columns)):
            if matrix is None:
                continue
            for place in places:
                value = place.read(out)
                mixed = matrix.to(value.dtype) @ value.reshape(self.size, -1)
                place.write(out, mixed.view(value.shape))
        return out

    def filled(
        self, coordinates: Mapping[str, Tensor], source: Mapping[str, Tensor], units: Sequence[int]
    ) -> Params:
        """New coordinates: the rows of ``units`` are those in ``source``."""
        out = dict(coordinates)
        for place in self.rows:
            value = place.read(out).clone()
            value[list(units)] = place.read(source)[list(units)]
            place.write(out, value)
        return out

    def copied(self, pairs: Collection[Pair]) -> Tensor:
        """The matrix that gives the second of each pair what the first has."""
        matrix = torch.eye(self.size, dtype=torch.float64)
        for source, target in pairs:
            matrix[target] = matrix[source]
        return matrix

    def handed(self, pairs: Collection[Pair], share: float = 1.0) -> Tensor:
        """The matrix that hands a share of the first of each pair over to the second."""
        matrix = torch.eye(self.size, dtype=torch.float64)
        for source, target in pairs:
            matrix[source, source] -= share
            matrix[target, source] += share
        return matrix

    def swapped(self, pairs: Collection[Pair]) -> Tensor:
        """The matrix that swaps each pair."""
        order = torch.arange(self.size)
        for a, b in pairs:
            order[a], order[b] = b, a
        return torch.eye(self.size, dtype=torch.float64)[order]

    def distance(self, coordinates: Mapping[str, Tensor], a: int, b: int) -> float:
        """How far what writes ``a`` is from what writes ``b``, relative to the largest unit."""
        return max((_relative(p.read(coordinates), a, b) for p in self.rows), default=0.0)

    def weight(self, coordinates: Mapping[str, Tensor], units: Sequence[int]) -> float:
        """How much is read of all ``units`` in sum, relative to the unit that is read most."""
        found = [0.0]
        for place in self.columns:
            value = place.read(coordinates).reshape(self.size, -1).double()
            most = float(value.norm(dim=1).max())
            found.append(float(value[list(units)].sum(0).norm()) / most if most else 0.0)
        return max(found)

    def norms(self, coordinates: Mapping[str, Tensor], places: Sequence[Place]) -> Tensor:
        """For each unit, the norm of what belongs to it at some places."""
        parts = [p.read(coordinates).reshape(self.size, -1).double() for p in places]
        found: Tensor = torch.linalg.vector_norm(torch.cat(parts, 1), dim=1)
        return found

    def room(self, params: Mapping[str, Tensor]) -> float:
        """Relative size of what counts as zero, from the dtypes of the params."""
        return ROOM * max(torch.finfo(params[place.name].dtype).eps for place in self._places)


def _relative(value: Tensor, a: int, b: int) -> float:
    flat = value.reshape(len(value), -1).double()
    most = float(flat.norm(dim=1).max())
    return float((flat[a] - flat[b]).norm()) / most if most else 0.0
