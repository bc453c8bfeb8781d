"""A start: where coordinate descent begins. The simplest: nothing moved, random order, a known end.

The result of a descent depends on its start. `Outward` beats the identity on independent models
(a space is matched by what is settled already, not by neighbours in arbitrary order); `Signature`
is exact for two models of one orbit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from isthmus.algebra.elements import Element
from isthmus.algebra.groups import Motion
from isthmus.algebra.symmetry import Symmetry
from isthmus.alignment.matching.problem import Problem


class Start(Protocol):
    """A first element for a descent."""

    def __call__(
        self,
        symmetry: Symmetry,
        a: Mapping[str, Tensor],
        b: Mapping[str, Tensor],
        generator: torch.Generator,
    ) -> Problem:
        """The problem with its first element."""
        ...


@dataclass(frozen=True)
class Identity:
    """Begin with ``b`` as it is: right for models that share their beginning."""

    def __call__(
        self,
        symmetry: Symmetry,
        a: Mapping[str, Tensor],
        b: Mapping[str, Tensor],
        generator: torch.Generator,
    ) -> Problem:
        """Nothing is moved."""
        return Problem(symmetry, a, b, symmetry.identity())


@dataclass(frozen=True)
class Random:
    """Begin with random permutations."""

    def __call__(
        self,
        symmetry: Symmetry,
        a: Mapping[str, Tensor],
        b: Mapping[str, Tensor],
        generator: torch.Generator,
    ) -> Problem:
        """Units in random order, without signs or scales."""
        swaps = symmetry.restrict([Motion.SWAP])
        return Problem(symmetry, a, b, symmetry.lift(swaps.sample(generator)))


@dataclass(frozen=True)
class Warm:
    """Begin where an earlier alignment ended.

    Args:
        element: of the symmetry, or of one whose essential part it is.
    """

    element: Element

    def __call__(
        self,
        symmetry: Symmetry,
        a: Mapping[str, Tensor],
        b: Mapping[str, Tensor],
        generator: torch.Generator,
    ) -> Problem:
        """At the given element."""
        values = {n: self.element.values[n] for n in symmetry.spaces}
        return Problem(symmetry, a, b, Element(symmetry, values))
