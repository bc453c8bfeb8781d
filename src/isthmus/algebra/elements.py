"""Elements: one value per space, with the group law `@`, `~` and `**`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from isthmus.algebra.groups import AbstractMonomial, Moves, Value
from isthmus.algebra.groups.base import Character
from isthmus.algebra.groups.curves import Curve, Felt
from isthmus.ground.errors import BadInput, Disconnected

if TYPE_CHECKING:
    from isthmus.algebra.symmetry import Symmetry


@dataclass(frozen=True, eq=False)
class Element:
    """An element of a symmetry group: ``g @ h`` (first h), ``~g``, ``g ** t``.

    ``g ** t`` is the point at ``t`` of a curve inside the group from 1 to ``g``.
    """

    symmetry: Symmetry
    values: Mapping[str, Value]

    def __matmul__(self, other: Element) -> Element:
        """``g @ h`` acts as ``h`` and then ``g``.

        Raises:
            BadInput: they are of different symmetries.
        """
        check(self.symmetry, other)
        return self.compose_on(other, self.symmetry.spaces)

    def compose_on(self, other: Element, names: Iterable[str]) -> Element:
        """``g @ h`` where ``g`` is known to be the identity outside ``names``."""
        out = dict(other.values)
        for name in names:
            carried = self._carry(name, other.values[name])
            out[name] = self.symmetry.spaces[name].group.compose(self.values[name], carried)
        return Element(self.symmetry, out)

    def __invert__(self) -> Element:
        """The inverse."""
        out: dict[str, Value] = {}
        for name, space in self.symmetry.spaces.items():
            # The outer spaces come first, so their inverses are known here.
            back = Element(self.symmetry, out)
            out[name] = back._carry(name, space.group.inverse(self.values[name]))
        return Element(self.symmetry, out)

    def __pow__(self, t: float) -> Element:
        """The point at time ``t`` on a curve inside the group from 1 to ``g``.

        Raises:
            Disconnected: ``g`` is in another component; `split` it first.
        """
        return self.curve()(t)

    def _carry(self, name: str, value: Value) -> Value:
        """A family's values, each at the place to which the outer spaces move it."""
        space = self.symmetry.spaces[name]
        if not space.over:
            return value

        def move(part: Tensor) -> Tensor:
            # In the order in which the spaces act: an outer space may be a family itself.
            for outer in (name for name in self.symmetry.spaces if name in space.over):
                dim = space.over.index(outer)
                over = [space.over.index(o) for o in self.symmetry.spaces[outer].over]
                part = _permute(self.symmetry, outer, self.values[outer], part, dim, over)
            return part

        return space.group.reindex(value, move)

    def split(self) -> tuple[Element, Element]:
        """``(jump, flow)`` with ``g = flow @ jump``: the discrete part, and one joined to 1."""
        jumps: dict[str, Value] = {}
        flows: dict[str, Value] = {}
        for name, space in self.symmetry.spaces.items():
            jumps[name], flows[name] = space.group.split(self.values[name])
        return Element(self.symmetry, jumps), Element(self.symmetry, flows)

    def curve(self, felt: Callable[[str], Felt] | None = None) -> ElementCurve:
        """``t ↦ g ** t``, factorised once; ``felt`` as in `Group.curve`, by space."""
        parts: dict[str, Curve] = {}
        for name, space in self.symmetry.spaces.items():
            if space.group.is_identity(self.values[name], 0.0):
                parts[name] = Curve.resting(self.values[name])
                continue
            try:
                parts[name] = space.group.curve(self.values[name], felt and felt(name))
            except Disconnected as error:
                raise Disconnected(f"in space {name}: {error.cause}", error.remedy) from error
        return ElementCurve(self.symmetry, parts)

    @property
    def is_identity(self) -> bool:
        """Whether nothing moves."""
        spaces = self.symmetry.spaces
        return all(s.group.is_identity(self.values[n]) for n, s in spaces.items())

    @property
    def moved(self) -> dict[str, str]:
        """What the element does in each space in which it does something."""
        said = {n: s.group.moves(self.values[n]) for n, s in self.symmetry.spaces.items()}
        return {n: text for n, text in said.items() if text != "does nothing"}

    def to_json(self) -> dict[str, object]:
        """Plain data: nested lists by space."""
        return {name: _plain(value) for name, value in self.values.items()}

    def __str__(self) -> str:
        lines = [f"{name}: {text}" for name, text in self.moved.items()]
        return "\n".join(lines) or "the identity"


@dataclass(frozen=True, eq=False)
class ElementCurve:
    """A curve of elements from 1: one curve for each space."""

    symmetry: Symmetry
    parts: Mapping[str, Curve]

    def __call__(self, t: float) -> Element:
        """The element at ``t``."""
        return Element(self.symmetry, {name: part(t) for name, part in self.parts.items()})


def _permute(
    symmetry: Symmetry, name: str, value: Value, part: Tensor, dim: int, over: list[int]
) -> Tensor:
    """Apply only the permutation of an outer space to a batch dimension of a family's values."""
    group = symmetry.spaces[name].group
    if not isinstance(group, AbstractMonomial):
        raise TypeError(f"space {name} with group {group} cannot index a family")
    return group.act(value, part, dim, Character(), over)


def _plain(value: Value) -> object:
    if isinstance(value, Tensor):
        return value.tolist()
    if isinstance(value, Moves):
        names = ("perm", "signs", "logs")
        return {n: part.tolist() for n, part in zip(names, value, strict=True) if part.numel()}
    return [_plain(part) for part in value]


def identity(symmetry: Symmetry) -> Element:
    """The neutral element."""
    spaces = symmetry.spaces
    return Element(symmetry, {n: s.group.identity(symmetry.batch(n)) for n, s in spaces.items()})


def check(symmetry: Symmetry, g: Element) -> None:
    """Raise unless ``g`` is of this symmetry, or of one with the same groups."""
    if g.symmetry is symmetry:
        return
    here, there = (
        {name: space.group for name, space in one.spaces.items()} for one in (symmetry, g.symmetry)
    )
    for name in (*here, *there):
        if here.get(name) != there.get(name):
            raise BadInput(
                f"in space {name} the element is of {there.get(name, 'no group')}, "
                f"the symmetry has {here.get(name, 'none')}",
                "use the symmetry that the element is of; what restrict gave, symmetry.lift "
                "takes to the whole",
            )


def sample(symmetry: Symmetry, seed: int | torch.Generator, scale: float) -> Element:
    """A random element of the whole group."""
    rng = seed if isinstance(seed, torch.Generator) else torch.Generator().manual_seed(seed)
    return Element(
        symmetry,
        {n: s.group.sample(rng, scale, symmetry.batch(n)) for n, s in symmetry.spaces.items()},
    )
