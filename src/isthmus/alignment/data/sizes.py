"""Sizes and shears: taken out before units are matched, brought together once they are.

Where a unit may be scaled, how large it is says nothing of which unit it is. For matched units the
scales follow from the sizes alone: the least-squares solution of
``log |a| - log |b| = Σ_k e_k s_k`` over all places, e being what a place feels of each family. Fits
by inner products would shrink units that are alike in part only, and so blow up what reads them.
Shears are treated alike: both models are brought to a form in which only rotations are left.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from isthmus.algebra.elements import Element
from isthmus.algebra.groups import AbstractMonomial, AbstractRotation, GeneralLinear, Moves
from isthmus.algebra.reps import Rep
from isthmus.algebra.symmetry import Params, Symmetry
from isthmus.alignment.matching.linear import balance, moments_of
from isthmus.alignment.matching.problem import Problem

TINY = 1e-150


def unit_length(symmetry: Symmetry, params: Mapping[str, Tensor], *, every: bool) -> Params:
    """The tensors with units of length one, so that inner products are correlations.

    Done where units may be scaled, or with ``every`` wherever they are permuted. A plane that may
    turn counts as a unit. Where units are mixed in other ways nothing changes.
    """
    return {name: _unit_length(symmetry, symmetry.reps[name], x, every=every)
            for name, x in params.items()}  # fmt: skip


def _unit_length(symmetry: Symmetry, rep: Rep, x: Tensor, *, every: bool) -> Tensor:
    groups = [symmetry.spaces[name].group for name in rep.spaces]
    monomial = [group for group in groups if isinstance(group, AbstractMonomial)]
    rigid = all(isinstance(group, AbstractMonomial | AbstractRotation) for group in groups)
    if not rigid or not monomial or not (every or any(group.scales for group in monomial)):
        return x
    (block,) = rep.blocks
    wide = block.read(x)
    inside = [
        d
        for d, factor in enumerate(block.factors)
        if factor.space is None or symmetry.spaces[factor.space].group not in monomial
    ]
    size = wide.square().sum(inside, keepdim=True).sqrt().clamp_min(TINY)
    return (wide / size).reshape(x.shape)


def upright(symmetry: Symmetry, params: Mapping[str, Tensor]) -> Element:
    """The element that takes shears out: to activations that are white, or as large on both sides.

    Where a space shows as it is in some places and as its dual in others (queries and keys), both
    get the same second moment; where it shows in one way only (values), that moment becomes 1.
    """
    problem = Problem(symmetry, params, params, symmetry.identity())
    values = dict(problem.element.values)
    for name, space in symmetry.spaces.items():
        rows = problem.rows(name)
        if isinstance(space.group, GeneralLinear) and rows:
            moments = moments_of(rows)
            plain, dual = moments[2], moments[5]
            if not bool(dual.any()):
                dual = torch.linalg.pinv(plain, hermitian=True)
            elif not bool(plain.any()):
                plain = torch.linalg.pinv(dual, hermitian=True)
            values[name] = balance(plain, dual)
    return Element(symmetry, values)


def match_sizes(problem: Problem, rounds: int = 4) -> None:
    """Set the scales of all units, matched as they are, by their sizes.

    More than one round matters only where scales of several spaces meet in a place.
    """
    for _ in range(rounds):
        for name, space in problem.symmetry.spaces.items():
            group, rows = space.group, problem.rows(name)
            if isinstance(group, AbstractMonomial) and group.scales and rows:
                one = group.identity(problem.symmetry.batch(name))
                powers = torch.tensor([c.scales for c, _, _ in rows], dtype=torch.float64)
                sizes = [[_size(x) for x in (a, b)] for _, a, b in rows]
                change = {name: Moves(one.perm, one.signs, _logs(powers, sizes))}
                problem.accept(change, problem.propose(change))


def _size(rows: Tensor) -> Tensor:
    """The squared length of every unit, ``(*batch, units)``."""
    return rows.double().square().sum(-1)


def _logs(powers: Tensor, sizes: list[list[Tensor]]) -> Tensor:
    """``(*batch, scales, units)``; places where a unit is dead in either model say nothing."""
    there = torch.stack([torch.where((a > TINY) & (b > TINY), a, 0.0) for a, b in sizes])
    gaps = torch.stack([(a.clamp_min(TINY) / b.clamp_min(TINY)).log() / 2 for a, b in sizes])
    normal = torch.einsum("ek,el,e...->...kl", powers, powers, there)
    right = torch.einsum("ek,e...->...k", powers, there * gaps)
    found: Tensor = torch.linalg.pinv(normal, hermitian=True) @ right.unsqueeze(-1)
    return found.squeeze(-1).movedim(-1, -2)
