"""Signatures: what a unit looks like when the order of all other units is forgotten.

In a canonical gauge two models of one orbit have the same signatures up to the order of units, so
an assignment on signatures undoes a planted permutation at once; for other pairs it is a start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from isthmus.algebra.elements import Element
from isthmus.algebra.groups import AbstractMonomial
from isthmus.algebra.symmetry import Symmetry
from isthmus.alignment.forms.balancing import balancing
from isthmus.alignment.matching.parities import settle_signs
from isthmus.alignment.matching.problem import Occurrence, Problem
from isthmus.alignment.matching.steps import swaps


@dataclass(frozen=True)
class Signature:
    """Begin with matched signatures of both models in their canonical gauges."""

    def __call__(
        self,
        symmetry: Symmetry,
        a: Mapping[str, Tensor],
        b: Mapping[str, Tensor],
        generator: torch.Generator,
    ) -> Problem:
        """``h_a⁻¹ p h_b`` with balancing elements h and permutations p, then all signs."""
        return in_canonical_gauges(symmetry, a, b, unlike)


Unlike: TypeAlias = Callable[[Problem, str], Tensor]
"""How unlike the units of a space are, ``(n, n)``: rows are the target's, columns the moved's."""


def in_canonical_gauges(
    symmetry: Symmetry, a: Mapping[str, Tensor], b: Mapping[str, Tensor], unlike: Unlike
) -> Problem:
    """``h_a⁻¹ p h_b``: units matched where both models are balanced, then all signs."""
    target, source = balancing(symmetry, a), balancing(symmetry, b)
    state = Problem(symmetry, symmetry.act_all(target, a), b, source)
    problem = Problem(symmetry, a, b, ~target @ _matched(state, unlike) @ source)
    settle_signs(problem)
    return problem


def _matched(problem: Problem, unlike: Unlike) -> Element:
    """The permutations of least cost, in every space that is not indexed by another."""
    values = dict(problem.symmetry.identity().values)
    for name, space in problem.symmetry.spaces.items():
        if isinstance(space.group, AbstractMonomial) and space.group.swaps and not space.over:
            values[name] = swaps(space.group, unlike(problem, name))
    return Element(problem.symmetry, values)


def unlike(problem: Problem, space: str) -> Tensor:
    """The squared distance of signatures, over all places."""
    size = problem.symmetry.spaces[space].size
    cost = torch.zeros(size, size)
    for place in problem.places[space]:
        one = signature(problem, place, problem.target[place.name])
        two = signature(problem, place, problem.moved[place.name])
        for first in range(0, size, _UNITS):
            some = slice(first, first + _UNITS)
            cost[some] += torch.cdist(one[some], two).square_()
    return cost


_UNITS = 128
"""Units whose distances are taken at a time."""


def signature(problem: Problem, place: Occurrence, tensor: Tensor) -> Tensor:
    """``(size, features)``: invariant under everything that other spaces may do."""
    x = place.block.read(tensor)
    factors = place.block.factors
    spaces = problem.symmetry.spaces
    groups = {f.space: spaces[f.space].group for f in factors if f.space is not None}
    signed = any(not isinstance(g, AbstractMonomial) or g.flips for g in groups.values())
    fixed = [d for d, f in enumerate(factors) if f.space is None]
    turning = [
        d
        for d, f in enumerate(factors)
        if d != place.dim
        and f.space is not None
        and not isinstance(groups[f.space], AbstractMonomial)
    ]
    if turning:
        x = x.square().sum(turning, keepdim=True).sqrt()
    x = x.abs() if signed else x
    loose = [d for d in range(len(factors)) if d not in fixed and d != place.dim]
    x = x.permute([place.dim, *fixed, *loose])
    x = x.reshape(*x.shape[: 1 + len(fixed)], -1)
    # As numpy sorts, in a fraction of the time that torch takes.
    return torch.as_tensor(np.sort(x.numpy(), axis=-1)).flatten(1)
