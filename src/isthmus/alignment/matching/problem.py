"""The matching problem: two parameter sets, and the element that carries one towards the other.

The state holds ``g`` and the moved parameters ``g·b``; a step proposes a change ``u`` of one space
(``g ← u g``) and the problem says what it costs. All distances are Euclidean over all parameters.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property

from torch import Tensor

from isthmus.algebra.elements import Element
from isthmus.algebra.groups import Character, GeneralLinear, Moves, Value
from isthmus.algebra.reps import Block
from isthmus.algebra.symmetry import Symmetry
from isthmus.alignment.matching.condensed import condensed
from isthmus.ground import matrices
from isthmus.ground.params import square_norm

FLAT = 1e-5
"""The smallest singular value of a shear over its largest: undoing it then costs five digits."""


@dataclass(frozen=True)
class Occurrence:
    """One place where a space acts: a factor of a block of a parameter."""

    name: str
    block: Block
    dim: int
    over: tuple[int, ...]

    @property
    def character(self) -> Character:
        """How the place feels the space."""
        return self.block.factors[self.dim].character

    def lies_within(self, known: Container[str]) -> bool:
        """Whether all other spaces of the block are among the known ones."""
        factors = self.block.factors
        return all(
            f.space is None or f.space in known for d, f in enumerate(factors) if d != self.dim
        )

    def rows(self, tensor: Tensor) -> Tensor:
        """The block as ``(*over, size, rest)``: one row per coordinate of the space."""
        x = self.block.read(tensor)
        front = [*self.over, self.dim]
        x = x.movedim(front, list(range(len(front))))
        return x.reshape(*x.shape[: len(front)], -1)


@dataclass
class Problem:
    """``min |a - g·b|²`` over the group of ``symmetry``; holds the current ``g``.

    ``a`` and ``b`` are coordinates, on which the group acts linearly (`Symmetry.coordinates`).
    """

    symmetry: Symmetry
    a: Mapping[str, Tensor]
    b: Mapping[str, Tensor]
    element: Element
    jumps: int = field(init=False, default=0)
    _moved: dict[str, Tensor] | None = field(init=False, default=None)
    _rows: dict[tuple[str, int], Tensor] = field(init=False, default_factory=dict)

    @property
    def moved(self) -> dict[str, Tensor]:
        """The moved parameters ``g·b``."""
        if self._moved is None:
            self._moved = self.symmetry.act_all(self.element, self.b)
        return self._moved

    def put(self, element: Element) -> None:
        """Stand at another element."""
        self.element, self._moved = element, None

    def rest(self) -> None:
        """Hold no more than the element, until the problem is looked at again."""
        self._moved = None
        self.forget_rows()

    def forget_rows(self) -> None:
        """Hold the target's rows no longer: those of what reads a space are copies."""
        self._rows.clear()

    @cached_property
    def target(self) -> dict[str, Tensor]:
        """The coordinates to meet."""
        return dict(self.a)

    @cached_property
    def places(self) -> dict[str, list[Occurrence]]:
        """Where each space acts."""
        found: dict[str, list[Occurrence]] = {name: [] for name in self.symmetry.spaces}
        for name in self.a:
            for block in self.symmetry.reps[name].blocks:
                at = {f.space: d for d, f in enumerate(block.factors) if f.space is not None}
                for d, factor in enumerate(block.factors):
                    if factor.space is not None:
                        over = tuple(at[o] for o in self.symmetry.spaces[factor.space].over)
                        found[factor.space].append(Occurrence(name, block, d, over))
        return found

    @cached_property
    def _still(self) -> Mapping[str, Value]:
        return self.symmetry.identity().values

    @cached_property
    def inner(self) -> dict[str, list[str]]:
        """The spaces that each space indexes."""
        spaces = self.symmetry.spaces
        return {n: [m for m, s in spaces.items() if n in s.over] for n in spaces}

    @cached_property
    def neighbours(self) -> dict[str, set[str]]:
        """The spaces that stand beside each space in some block: its step depends on theirs."""
        found: dict[str, set[str]] = {name: set() for name in self.symmetry.spaces}
        for name, places in self.places.items():
            for place in places:
                found[name] |= {f.space for f in place.block.factors if f.space is not None}
        linear = {n for n in found if n not in self.quadratic and not self._continuous(n)}
        return {n: around - {n} if n in linear else around for n, around in found.items()}

    def _continuous(self, name: str) -> bool:
        return bool(self.symmetry.spaces[name].group.lie_dim or self.inner[name])

    @cached_property
    def parameters(self) -> dict[str, list[str]]:
        """The parameters on which each space acts."""
        return {n: list(dict.fromkeys(o.name for o in found)) for n, found in self.places.items()}

    @cached_property
    def quadratic(self) -> frozenset[str]:
        """Spaces that act twice on one block: there the cost is not linear in a permutation."""
        return frozenset(
            name
            for name, found in self.places.items()
            if len({(o.name, id(o.block)) for o in found}) < len(found)
        )

    def rows(
        self, space: str, known: Container[str] | None = None
    ) -> list[tuple[Character, Tensor, Tensor]]:
        """For each place of a space: character, rows of the target, rows of the moved.

        With ``known``, only places in which all other spaces are among these.
        """
        out = []
        for k, place in enumerate(self.places[space]):
            key = (space, k)
            if known is not None and not place.lies_within(known):
                continue
            if key not in self._rows:
                self._rows[key] = place.rows(self.target[place.name])
            out.append((place.character, self._rows[key], place.rows(self.moved[place.name])))
        return out

    @property
    def coupled(self) -> Iterable[Sequence[str]]:
        """The parameters, those together that the metric of the cost couples."""
        return ([name] for name in self.a)

    def weighed(self, change: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """A change of parameters in the metric of the cost, half of whose gradient it is."""
        return change

    def condensed(self) -> Problem:
        """A smaller one with the same normal equations at the current element."""
        symmetry, moved = condensed(self.symmetry, self.moved)
        return Problem(symmetry, moved, moved, symmetry.identity())

    def cost(self, names: Sequence[str]) -> float:
        """The squared distance over some parameters."""
        total = 0.0
        for name in names:
            total += square_norm(self.target[name] - self.moved[name])
        return total

    @property
    def objective(self) -> float:
        """The squared distance over all parameters."""
        return self.cost(list(self.a))

    @property
    def objective_size(self) -> float:
        """The squared norm of the target: what distances are measured against."""
        return sum(square_norm(t) for t in self.target.values()) or 1.0

    def propose(self, change: Mapping[str, Value]) -> dict[str, Tensor]:
        """The moved parameters after ``g ← u g``, where they differ."""
        names = dict.fromkeys(n for space in change for n in self.parameters[space])
        act = self.symmetry.act_on
        return {name: act(name, change, self.moved[name]) for name in names}

    def fork(self) -> Problem:
        """Another state of the same problem: changes of one are not seen by the other."""
        twin = copy(self)
        twin._moved = dict(self.moved)
        return twin

    def adopt(self, twin: Problem) -> None:
        """Take over the state of a fork."""
        self._moved, self.element, self.jumps = twin._moved, twin.element, twin.jumps

    def accept(self, change: Mapping[str, Value], moved: Mapping[str, Tensor]) -> None:
        """Take a proposal."""
        self.moved.update(moved)
        self.jumps += any(isinstance(v, Moves) and not v.joined for v in change.values())
        touched = set(change) | {m for n in change for m in self.inner[n]}
        step = Element(self.symmetry, {**self._still, **change})
        self.element = step.compose_on(self.element, touched)

    def _sound(self, change: Mapping[str, Value]) -> bool:
        """Whether shears stay far from singular: the nearest matrix may be so, which is none."""
        for name, value in change.items():
            if isinstance(self.symmetry.spaces[name].group, GeneralLinear):
                sizes = matrices.singular_values(value @ self.element.values[name])
                if not bool((sizes[..., -1] > FLAT * sizes[..., 0]).all()):
                    return False
        return True

    def try_change(self, change: Mapping[str, Value], tolerance: float) -> float:
        """Take a proposal if it lowers the distance; returns by how much."""
        if not self._sound(change):
            return 0.0
        moved = self.propose(change)
        before = self.cost(list(moved))
        kept = {name: self.moved[name] for name in moved}
        self.moved.update(moved)
        gain = before - self.cost(list(moved))
        self.moved.update(kept)
        if gain <= tolerance:
            return 0.0
        self.accept(change, moved)
        return gain
