"""Spaces and axes: what the types of parameters are made of.

A parameter's rep says, for each of its axes, which spaces it is made of; that is the action of
the group on it. Notation, as in einops::

    rep    ::= axis ⊗ … ⊗ axis                     one axis per tensor dimension
    axis   ::= term | (term … term)                a product, row-major
    term   ::= factor | (axis + … + axis)          + is concatenation
             | {axis | … | axis}                   one of these, by the part of the sum it goes with
    factor ::= name [*] [^(scales;signs)] | size   * marks a dual, a number a fixed axis

Where a space has several scales or signs they are called a, b, c, …: ``up^(a b-1;c)`` feels the
first scale, the inverse of the second, and the third sign. ``up`` alone feels each of them once.
A name that would read as something else stands in backticks: ```0` ⊗ 3`` of ``nn.Sequential``.
A sum that a choice goes with carries a label, ``a:(1 + 1)``, and so does the choice,
``a:{q | k}``. Parts that do not follow one another carry their places: in ``(p + q)@0:2,1:2`` the
coordinates of p are every second from 0, those of q every second from 1; ``0.3.4`` lists them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from isthmus.algebra.groups import Character, Group, Motion

WORDS = {
    Motion.SWAP: "permutation",
    Motion.FLIP: "sign",
    Motion.STRETCH: "scale",
    Motion.TURN: "rotation",
    Motion.SHEAR: "shear",
    Motion.SHIFT: "shift",
}
"""Motions for people."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Who forbade what.

    Attributes:
        operator: the operator (``relu``), or in words whatever else it was (``the input x``).
        lost: the motions that it forbids.
        module: the path of the module that runs the operator.
        source: file and line of the user's code (``model.py:32``).
        line: the text of that line, where it is known.
    """

    operator: str
    lost: frozenset[Motion] = frozenset()
    module: str = ""
    source: str = ""
    line: str = ""

    @property
    def where(self) -> str:
        """Operator, module, source line."""
        inside = f" in {self.module}" if self.module else ""
        return f"{self.operator}{inside}" + (f" ({self.source})" if self.source else "")

    def __str__(self) -> str:
        lost = [word for motion, word in WORDS.items() if motion in self.lost]
        return self.where + (f": no {', '.join(lost)}" if lost else "")


@dataclass(frozen=True, slots=True)
class Space:
    """A class of coordinates that must move together.

    ``over`` names the spaces that index it: an attention head's keys are one space over the heads,
    with one group element per head. ``why`` lists who bounded its group.
    """

    name: str
    size: int
    group: Group
    over: tuple[str, ...] = ()
    why: tuple[Reason, ...] = field(default=(), compare=False)

    def __str__(self) -> str:
        return f"{self.group}[{self.name}]" + (f"({' '.join(self.over)})" if self.over else "")


NATURAL = Character()
"""The character of an axis that feels a group without scales or signs as it is."""


@dataclass(frozen=True, slots=True)
class Factor:
    """One factor of an axis: a space with a character, or ``size`` fixed coordinates."""

    size: int
    space: str | None = None
    character: Character = NATURAL


@dataclass(frozen=True, slots=True)
class Sum:
    """A concatenation of axes.

    With ``places``, coordinate k of the parts laid end to end stands at ``places[k]``. A part whose
    places are not evenly spaced is a single factor.
    """

    parts: tuple[Axis, ...]
    label: str = ""
    places: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """Of all parts together."""
        return sum(axis_size(part) for part in self.parts)

    def spans(self) -> Iterator[tuple[int, ...]]:
        """Where each part lies."""
        begin = 0
        for part in self.parts:
            end = begin + axis_size(part)
            yield self.places[begin:end] if self.places else tuple(range(begin, end))
            begin = end


def step_of(places: Sequence[int]) -> int | None:
    """The distance between neighbours where it is always the same; None where it is not."""
    steps = {b - a for a, b in itertools.pairwise(places)} or {1}
    return steps.pop() if len(steps) == 1 else None


@dataclass(frozen=True, slots=True)
class Choice:
    """An axis that differs with the part of the sum that carries the same label."""

    parts: tuple[Axis, ...]
    label: str

    @property
    def size(self) -> int:
        """Every alternative has the same."""
        return axis_size(self.parts[0])


Term: TypeAlias = "Factor | Sum | Choice"
Axis: TypeAlias = "tuple[Term, ...]"


def axis_size(axis: Axis) -> int:
    """The number of coordinates of a product."""
    return math.prod(term.size for term in axis)


def leaves(axis: Axis) -> Iterator[Factor]:
    """All factors of an axis, in order."""
    for term in axis:
        if isinstance(term, Factor):
            yield term
        else:
            yield from itertools.chain.from_iterable(leaves(part) for part in term.parts)
