"""Canonical: a start in closed form, exact for two models of one orbit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from isthmus.algebra.elements import Element
from isthmus.algebra.symmetry import Symmetry
from isthmus.alignment.forms.canonical import Balanced, settled
from isthmus.alignment.matching.problem import Problem


@dataclass(frozen=True)
class Canonical:
    """Begin where the canonical forms of both models meet.

    With ``k_a`` and ``k_b`` the elements that bring the models to the representatives of their
    orbits (`isthmus.alignment.forms.canonical`) the start is ``k_a⁻¹ k_b``. For models of one
    orbit that is the planted element, over the whole group, up to what leaves the model as it is;
    nothing is searched for. Models that only resemble each other are better served by others: the
    order of units and the basis of eigenvectors change with little noise.
    """

    def __call__(
        self,
        symmetry: Symmetry,
        a: Mapping[str, Tensor],
        b: Mapping[str, Tensor],
        generator: torch.Generator,
    ) -> Problem:
        """One balancing for each model."""
        target, source = (settled(symmetry, x, Balanced(), ordered=True).element for x in (a, b))
        return Problem(symmetry, a, b, Element(symmetry, (~target @ source).values))
